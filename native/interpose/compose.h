/* The configuration, written from a command line: what only a start knows (its scratch folder, where a bind's source leads
 * today) is in it. */
#ifndef INTERPOSE_COMPOSE_H
#define INTERPOSE_COMPOSE_H

/* Writes the file `path` from the words at `*argv`, up to a `--`, which is taken too:
 *
 *   --root TREE | --writable-root TREE | --bind SOURCE TARGET | --read-only SOURCE TARGET | --host PATH | --facts FILE
 *
 * Trees and sources are resolved; a missing one is an error. 0, or errno with `*about` telling of what. */
int compose(const char *path, char ***argv, const char **about);

#endif
