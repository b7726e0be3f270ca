/*
 * worktree.h: the main working tree of a linked one, whose settings Claude Code reads too.
 */
#ifndef CREDWARD_WORKTREE_H
#define CREDWARD_WORKTREE_H

#include "text.h"

#define MAIN_TREES 2

/*
 * Find the main working tree of `path`, an absolute path of a folder with a file `.git`; how many
 * there are. Two where links on the way make that depend on who looks. -1 where git would have
 * written it in other words, for nobody knows then what an agent makes of them.
 *
 * Source: gitrepository-layout(5), gitdir and commondir.
 */
int find_main_trees(const struct text *path, struct text trees[MAIN_TREES]);

#endif
