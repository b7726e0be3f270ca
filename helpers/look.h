/*
 * look.h: find the settings around the working directory, but never wait longer than half of the time.
 */
#ifndef CREDWARD_LOOK_H
#define CREDWARD_LOOK_H

#include "failure.h"
#include "folder.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Fill in the body of `folder`; false with `failure` noted where it is not known when half of the
 * time until `end` is over.
 *
 * A working directory that itself lies on a file system that does not answer ends the process
 * (die_at in deadline.h), or holds it where the kernel lets no signal in.
 */
bool look_around(struct folder *folder, int64_t end, struct failure *failure);

#endif
