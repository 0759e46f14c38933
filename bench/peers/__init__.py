"""How each peer is driven, one small file each.

``start`` is the command that runs something in the image that ``prepare`` made ready, isolated as the peer does by
default, leaving nothing behind; ``pull`` is the command that fetches an image until it could run.
"""
