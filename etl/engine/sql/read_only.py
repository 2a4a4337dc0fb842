"""Checks that a statement only reads tables of the lake, on the plan that Spark's own parser makes of it.

Everything is refused that is not listed here: plan nodes and expressions by class, functions by name and group,
tables by name. So a statement of a newer Spark or Delta is refused until somebody has looked at it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from py4j.java_gateway import is_instance_of
from pyspark.sql import SparkSession

from etl.engine.spark.jvm import as_list, jvm, some
from etl.errors import ConfigError

LOGICAL = "org.apache.spark.sql.catalyst.plans.logical."
ANALYSIS = "org.apache.spark.sql.catalyst.analysis."
COMMAND = "org.apache.spark.sql.execution.command."
DELTA = "org.apache.spark.sql.delta.commands."
EXPRESSIONS = "org.apache.spark.sql.catalyst.expressions."

QUERIES = """Aggregate Distinct Except Filter Generate GlobalLimit Intersect Join LateralJoin LimitAll LocalLimit
    LocalRelation NearestByJoin Offset OneRowRelation Pivot Project Repartition RepartitionByExpression Sample Sort
    SubqueryAlias Union UnresolvedHint UnresolvedWith Unpivot WithWindowDefinition"""
DESCRIPTIONS = """DescribeColumn DescribeFunction DescribeNamespace DescribeRelation ShowColumns ShowFunctions
    ShowTables ShowTablesExtended ShowViews"""
COMMANDS = """DescribeQueryCommand ExplainCommand ShowCatalogsCommand ShowCurrentNamespaceCommand
    ShowNamespacesCommand"""
UNRESOLVED = """CurrentNamespace$ UnresolvedAlias UnresolvedAttribute UnresolvedExtractValue UnresolvedFunction
    UnresolvedFunctionName UnresolvedGenerator UnresolvedHaving UnresolvedInlineTable UnresolvedNamespace
    UnresolvedOrdinal UnresolvedPipeAggregateOrdinal UnresolvedQualify UnresolvedRegex UnresolvedRelation UnresolvedStar
    UnresolvedStarExceptOrReplace UnresolvedStarWithColumns UnresolvedStarWithColumnsRenames
    UnresolvedSubqueryColumnAliases UnresolvedTVFAliases UnresolvedTable UnresolvedTableOrView
    UnresolvedTableValuedFunction UnresolvedWithinGroup"""
HISTORY = (f"{DELTA}DescribeDeltaHistory", f"{DELTA}DescribeDeltaDetailCommand")
LISTS = tuple(LOGICAL + name for name in ("ShowTables", "ShowTablesExtended", "ShowViews"))
ALLOWED = {
    *(LOGICAL + name for name in (QUERIES + " " + DESCRIPTIONS).split()),
    *(COMMAND + name for name in COMMANDS.split()),
    *(ANALYSIS + name for name in UNRESOLVED.split()),
    *HISTORY,
}
NOT_ALLOWED = {
    EXPRESSIONS + name for name in ("CallMethodViaReflection", "TryReflect", "ScalaUDF", "VariableReference")
}
# Looked at themselves, but not into: they hold names and values only. Each look is a call to the JVM.
LEAVES = {
    *(EXPRESSIONS + name for name in ("AttributeReference", "ExprId", "Literal")),
    *(ANALYSIS + name for name in ("UnresolvedAttribute", "UnresolvedRelation", "UnresolvedTable")),
    *("scala.None$", "scala.collection.immutable.Nil$"),
}

GROUPS = """agg array bitwise collection conditional conversion csv datetime generator hash json lambda map math
    predicate sketch st string struct url variant vector window"""
MISC = """aes_decrypt aes_encrypt assert_true bitmap_bit_position bitmap_bucket_number bitmap_count current_catalog
    current_database current_schema current_user input_file_block_length input_file_block_start input_file_name
    monotonically_increasing_id raise_error session_user spark_partition_id try_aes_decrypt typeof user uuid version"""
TABLE_FUNCTIONS = """collations explode explode_outer inline inline_outer json_tuple posexplode posexplode_outer range
    sql_keywords stack variant_explode variant_explode_outer"""
NEXT = "Use SELECT, WITH, VALUES, TABLE, SHOW, DESCRIBE or EXPLAIN over tables of the lake"


def check(spark: SparkSession, plan: Any, names: Iterable[str]) -> Reader:
    """What a parsed plan reads, by names in lower case. Raises ConfigError unless it only reads these."""
    reader = Reader(spark, frozenset(names))
    reader.walk(plan)
    if str(plan.getClass().getName()) in HISTORY:
        (reader.history,) = reader.tables
        reader.tables.clear()
    return reader


@dataclass
class Reader:
    """Walks one parsed plan; `tables` are the names it reads that no WITH defines."""

    spark: SparkSession
    known: frozenset[str]
    """Names that may be read, in lower case."""
    tables: set[str] = field(default_factory=set)
    lists: bool = False
    """Whether it lists the tables there are."""
    history: str = ""
    """The table whose Delta log it describes."""
    _shapes: dict[str, str] = field(default_factory=dict)

    def walk(self, found: Any, defined: frozenset[str] = frozenset()) -> None:
        """Check a node and everything it holds. Raises ConfigError that names what is not allowed."""
        if not hasattr(found, "getClass"):
            return
        name = str(found.getClass().getName())
        shape = self._shape(name, found)
        if shape == "node":
            self._check(name, found, defined)
        if name == LOGICAL + "UnresolvedWith":
            self._with(found, defined)
        elif shape != "leaf" and name not in LEAVES:
            for part in self._parts(shape, found):
                self.walk(part, defined)

    def _shape(self, name: str, found: Any) -> str:
        if name not in self._shapes:
            self._shapes[name] = self._new_shape(name, found)
        return self._shapes[name]

    def _new_shape(self, name: str, found: Any) -> str:
        if name in LEAVES or name.startswith("org.apache.spark.sql.types."):
            return "node" if name.startswith(ANALYSIS) else "leaf"
        gateway = self.spark.sparkContext._gateway
        for shape, of in (
            ("node", "org.apache.spark.sql.catalyst.trees.TreeNode"),
            ("list", "scala.collection.Iterable"),
            ("product", "scala.Product"),
        ):
            if is_instance_of(gateway, found, of):
                return shape
        return "leaf"

    def _parts(self, shape: str, found: Any) -> Iterator[Any]:
        if shape == "list":
            found = found.toSeq()
            yield from (found.apply(i) for i in range(found.length()))
        else:
            yield from (found.productElement(i) for i in range(found.productArity()))

    def _with(self, found: Any, defined: frozenset[str]) -> None:
        """A name that WITH defines holds for the relations after it and the query; for itself when it is recursive."""
        for definition in as_list(self.spark, found.cteRelations()):
            name = frozenset([str(definition._1()).lower()])
            self.walk(definition._2(), defined | name if found.allowRecursion() else defined)
            defined |= name
        self.walk(found.child(), defined)

    def _check(self, name: str, found: Any, defined: frozenset[str]) -> None:
        if name not in ALLOWED and (not name.startswith(EXPRESSIONS) or name in NOT_ALLOWED):
            raise refused(_words(name))
        self.lists |= name in LISTS
        kind = name.removeprefix(ANALYSIS)
        if kind == "UnresolvedRelation":
            self._table(found, as_list(self.spark, found.multipartIdentifier()), defined)
        elif kind in ("UnresolvedTable", "UnresolvedTableOrView"):
            self._table(None, as_list(self.spark, found.multipartIdentifier()), defined)
        elif kind == "UnresolvedFunction":
            self._function(as_list(self.spark, found.nameParts()))
        elif kind == "UnresolvedGenerator":
            self._function([str(found.name().unquotedString())])
        elif kind == "UnresolvedTableValuedFunction":
            self._table_function(as_list(self.spark, found.name()))

    def _table(self, relation: Any, parts: list[str], defined: frozenset[str]) -> None:
        name = ".".join(parts)
        if len(parts) == 1 and name.lower() in defined | self.known:
            self.tables |= {name.lower()} - defined
        else:
            raise refused(f"reading {name!r}", "`feed-etl tables` lists what can be read; the ledger is `ledger`")
        if relation is not None and (not relation.options().isEmpty() or relation.isStreaming()):
            raise refused(f"reading {name} as a stream or with options")

    def _function(self, parts: list[str]) -> None:
        """Only functions of Spark's own that compute something of their arguments."""
        *place, name = (part.lower() for part in parts)
        built_in = some(self.spark, "builtin"), some(self.spark, "system")
        identifier = jvm(self.spark, "org.apache.spark.sql.catalyst.FunctionIdentifier")(name, *built_in)
        found = self.spark._jsparkSession.sessionState().functionRegistry().lookupFunction(identifier)
        if place not in ([], ["builtin"], ["system", "builtin"]) or found.isEmpty() or not _computes(found.get()):
            raise refused(f"the function {'.'.join(parts)}")

    def _table_function(self, parts: list[str]) -> None:
        if len(parts) > 1 or parts[0].lower() not in TABLE_FUNCTIONS.split():
            raise refused(f"the table function {'.'.join(parts)}")


def _computes(info: Any) -> bool:
    """Whether a function has its value of its arguments alone, or of what `MISC` says."""
    by_group = str(info.getGroup()).removesuffix("_funcs") in GROUPS.split() or str(info.getName()) in MISC.split()
    return by_group and str(info.getClassName()).startswith(EXPRESSIONS)


def refused(what: str, instead: str = NEXT) -> ConfigError:
    """The error for a statement that does more than read."""
    return ConfigError(f"sql only reads: {' '.join(what.split())} is not allowed. {instead}.")


def _words(name: str) -> str:
    """`…UnresolvedExecuteImmediate` -> `EXECUTE IMMEDIATE`."""
    simple = re.split(r"[.$]", name.rstrip("$"))[-1].removeprefix("Unresolved")
    simple = re.sub("(Command|Statement)$", "", simple)
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", simple).upper()
