"""Dockerfiles: text to instructions, and back. Pure: it reads no file and knows no image.

(https://docs.docker.com/reference/dockerfile/)
"""
