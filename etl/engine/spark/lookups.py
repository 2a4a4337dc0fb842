"""Remembers which classes and static methods of the driver's JVM Python has looked up.

PySpark asks the JVM for the class and for the method whenever it makes a column. It names most classes without their
package, so the JVM looks for them in every package that PySpark imports, in every JAR. An almost empty hour asked
25,000 times, a third of all its calls of the JVM. The answers do not change while the JVM runs.
"""

from __future__ import annotations

from typing import Any

from py4j.java_gateway import JavaClass, JavaMember, JVMView
from pyspark.sql import SparkSession


class _Class(JavaClass):
    """A class that asks the JVM for each static method once. A static field can change, so it is always asked for."""

    def __getattr__(self, name: str) -> Any:
        found = super().__getattr__(name)
        if isinstance(found, JavaMember):
            self.__dict__[name] = found
        return found


class _View(JVMView):
    """A view of the JVM that asks for each class once. A package may get classes later, so it is not remembered."""

    def __getattr__(self, name: str) -> Any:
        found = super().__getattr__(name)
        if type(found) is JavaClass:
            found = self.__dict__[name] = _Class(found._fqn, found._gateway_client)
        return found


def remember(spark: SparkSession) -> None:
    """Let this process ask the JVM of the session only once for each class and static method."""
    view = spark._jvm
    if type(view) is JVMView:
        view.__class__ = _View
