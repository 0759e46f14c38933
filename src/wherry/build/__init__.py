"""Images from recipes: a Dockerfile becomes one frozen graph of steps, and one executor carries it out, without root.

Words: a *recipe* is the text; its *instructions* are frozen values with positions; the *graph* is what will be done; a
*context* is a named set of files that a recipe may copy from; a step's *key* is its meaning, by which its layer is
found again. It never has a way of its own to start a container: that is :mod:`wherry.containers` and
:mod:`wherry.launch`.
"""
