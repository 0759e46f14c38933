"""One verb a file: ``VERB`` as data, and a function that calls one use case and shows the result."""

__all__: list[str] = []
