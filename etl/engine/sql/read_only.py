"""Checks that a SQL statement only reads tables of the lake. It checks the plan from Spark's own parser.

This module lists everything that is allowed: plan nodes and expressions by class, functions by name and group, tables
by name. It refuses everything else, so a new kind of statement in a newer Spark or Delta is refused until it is listed.
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
TABLE_LISTINGS = tuple(LOGICAL + name for name in ("ShowTables", "ShowTablesExtended", "ShowViews"))
ALLOWED = {
    *(LOGICAL + name for name in (QUERIES + " " + DESCRIPTIONS).split()),
    *(COMMAND + name for name in COMMANDS.split()),
    *(ANALYSIS + name for name in UNRESOLVED.split()),
    *HISTORY,
}
NOT_ALLOWED = {
    EXPRESSIONS + name for name in ("CallMethodViaReflection", "TryReflect", "ScalaUDF", "VariableReference")
}
# Nodes that contain only names and values. Their parts are not checked, because each part costs a call to the JVM.
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
REJECTED = re.compile(r"_rejected/\w+/[\w-]+")  # path of a rejected batch in the lake
NEXT = "Use SELECT, WITH, VALUES, TABLE, SHOW, DESCRIBE or EXPLAIN over tables of the lake"


def check(spark: SparkSession, plan: Any, names: Iterable[str]) -> Reader:
    """Find the tables that a parsed plan reads. `names` are the readable tables, in lower case.

    Raises ConfigError when the plan does anything but read these tables.
    """
    reader = Reader(spark, frozenset(names))
    reader.walk(plan)
    if str(plan.getClass().getName()) in HISTORY:
        (reader.history,) = reader.tables
        reader.tables.clear()
    return reader


@dataclass
class Reader:
    """Checks one parsed plan and collects the tables that it reads."""

    spark: SparkSession
    readable: frozenset[str]
    """Names of the tables that may be read, in lower case."""
    tables: set[str] = field(default_factory=set)
    """Names of the tables that the plan reads, in lower case, without the names that a WITH clause defines."""
    batches: dict[str, str] = field(default_factory=dict)
    """Name in lower case -> path in the lake of the rejected batches that the plan reads."""
    lists_tables: bool = False
    """Whether the statement lists tables (SHOW TABLES, SHOW VIEWS)."""
    history: str = ""
    """The table of DESCRIBE HISTORY or DESCRIBE DETAIL."""
    _kinds: dict[str, str] = field(default_factory=dict)

    def walk(self, value: Any, defined: frozenset[str] = frozenset()) -> None:
        """Check a node and all its parts; `defined` are the names of WITH clauses that are valid here.

        Raises ConfigError, which names what is not allowed.
        """
        if not hasattr(value, "getClass"):
            return
        name = str(value.getClass().getName())
        kind = self._kind(name, value)
        if kind == "node":
            self._check(name, value, defined)
        if name == LOGICAL + "UnresolvedWith":
            self._with(value, defined)
        elif kind != "leaf" and name not in LEAVES:
            for part in self._parts(kind, value):
                self.walk(part, defined)

    def _kind(self, name: str, value: Any) -> str:
        """The kind of a JVM object (node, list, product or leaf), cached by class name."""
        if name not in self._kinds:
            self._kinds[name] = self._find_kind(name, value)
        return self._kinds[name]

    def _find_kind(self, name: str, value: Any) -> str:
        if name in LEAVES or name.startswith("org.apache.spark.sql.types."):
            return "node" if name.startswith(ANALYSIS) else "leaf"
        gateway = self.spark.sparkContext._gateway
        for kind, java_class in (
            ("node", "org.apache.spark.sql.catalyst.trees.TreeNode"),
            ("list", "scala.collection.Iterable"),
            ("product", "scala.Product"),
        ):
            if is_instance_of(gateway, value, java_class):
                return kind
        return "leaf"

    def _parts(self, kind: str, value: Any) -> Iterator[Any]:
        if kind == "list":
            items = value.toSeq()
            yield from (items.apply(i) for i in range(items.length()))
        else:
            yield from (value.productElement(i) for i in range(value.productArity()))

    def _with(self, node: Any, defined: frozenset[str]) -> None:
        """Check a WITH clause. Later definitions and the query may use a name; with RECURSIVE also its own one."""
        for definition in as_list(self.spark, node.cteRelations()):
            name = frozenset([str(definition._1()).lower()])
            self.walk(definition._2(), defined | name if node.allowRecursion() else defined)
            defined |= name
        self.walk(node.child(), defined)

    def _check(self, name: str, node: Any, defined: frozenset[str]) -> None:
        """Check the class of one node, and the table or function that it names."""
        if name not in ALLOWED and (not name.startswith(EXPRESSIONS) or name in NOT_ALLOWED):
            raise refusal(_sql_words(name))
        self.lists_tables |= name in TABLE_LISTINGS
        unresolved = name.removeprefix(ANALYSIS)
        if unresolved == "UnresolvedRelation":
            self._table(node, as_list(self.spark, node.multipartIdentifier()), defined)
        elif unresolved in ("UnresolvedTable", "UnresolvedTableOrView"):
            self._table(None, as_list(self.spark, node.multipartIdentifier()), defined)
        elif unresolved == "UnresolvedFunction":
            self._function(as_list(self.spark, node.nameParts()))
        elif unresolved == "UnresolvedGenerator":
            self._function([str(node.name().unquotedString())])
        elif unresolved == "UnresolvedTableValuedFunction":
            self._table_function(as_list(self.spark, node.name()))

    def _table(self, relation: Any, parts: list[str], defined: frozenset[str]) -> None:
        """Collect a table name. Refuse it when it is not readable, or is read as a stream or with options."""
        name = ".".join(parts)
        if len(parts) == 1 and REJECTED.fullmatch(name):
            self.batches[name.lower()] = name
        if len(parts) == 1 and name.lower() in defined | self.readable | self.batches.keys():
            self.tables |= {name.lower()} - defined
        else:
            raise refusal(f"reading {name!r}", "`feed-etl tables` lists what can be read; the ledger is `ledger`")
        if relation is not None and (not relation.options().isEmpty() or relation.isStreaming()):
            raise refusal(f"reading {name} as a stream or with options")

    def _function(self, parts: list[str]) -> None:
        """Refuse a function unless it is built into Spark and only computes a value from its arguments."""
        *qualifier, name = (part.lower() for part in parts)
        built_in = some(self.spark, "builtin"), some(self.spark, "system")
        identifier = jvm(self.spark, "org.apache.spark.sql.catalyst.FunctionIdentifier")(name, *built_in)
        found = self.spark._jsparkSession.sessionState().functionRegistry().lookupFunction(identifier)
        is_built_in = qualifier in ([], ["builtin"], ["system", "builtin"]) and not found.isEmpty()
        if not is_built_in or not _only_computes(found.get()):
            raise refusal(f"the function {'.'.join(parts)}")

    def _table_function(self, parts: list[str]) -> None:
        if len(parts) > 1 or parts[0].lower() not in TABLE_FUNCTIONS.split():
            raise refusal(f"the table function {'.'.join(parts)}")


def _only_computes(info: Any) -> bool:
    """Whether a function computes its value from its arguments alone, or is listed in `MISC`."""
    is_listed = str(info.getGroup()).removesuffix("_funcs") in GROUPS.split() or str(info.getName()) in MISC.split()
    return is_listed and str(info.getClassName()).startswith(EXPRESSIONS)


def refusal(what: str, instead: str = NEXT) -> ConfigError:
    """The error for a statement that does more than read."""
    return ConfigError(f"sql only reads: {' '.join(what.split())} is not allowed. {instead}.")


def _sql_words(name: str) -> str:
    """The SQL keywords of a plan class: `…UnresolvedExecuteImmediate` -> `EXECUTE IMMEDIATE`."""
    simple = re.split(r"[.$]", name.rstrip("$"))[-1].removeprefix("Unresolved")
    simple = re.sub("(Command|Statement)$", "", simple)
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", simple).upper()
