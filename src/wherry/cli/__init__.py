"""The `wherry` command: parse, call one function of a package, show.

A **verb** (``verbs/``, one file each) is data, its options, arguments, help and examples, and one function that calls
a use case and shows the result. One small parser (``parse``) reads every command line from that data in microseconds;
click, made from the same data (``commands``), is loaded only to say what is wrong, to show help and to complete.

Here are the only ``print`` of the project, and (``main``) the only place where an error becomes text and a status.
No logic: what a program might want to do is a function of a package below, and of ``import wherry``.
"""

__all__: list[str] = []
