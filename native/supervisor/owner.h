/* What is remembered of a file, as text and as rules: pure. docs/design/supervisor.md. */
#ifndef SUPERVISOR_OWNER_H
#define SUPERVISOR_OWNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define OWNER_ATTRIBUTE "user.wherry.owner"
#define OWNER_FOREIGN "user.wherry.xattr." /* before the name of an attribute that cannot be on disk */
#define OWNER_HIDDEN "user.wherry."
#define OWNER_CAPABILITY "security.capability"

enum { OWNER_TEXT = 64, OWNER_NAME = 256, OWNER_VALUE = 64, OWNER_KEEP = -1 }; /* VALUE: of a capability, at most 24 */

struct owner {
    uint32_t uid, gid;
    uint32_t mode; /* permission, set-id and sticky bits */
    char kind;     /* 'c' or 'b' for a device, else 0 */
    uint32_t major, minor;
};

/* `UID:GID:MODE[:c|b:MAJOR:MINOR]`, all decimal but the octal mode. False when the text is anything else. */
bool owner_read(const char *text, size_t length, struct owner *owner);
/* The text's length. */
size_t owner_write(const struct owner *owner, char text[OWNER_TEXT]);

/* After chown(2) to these ids (OWNER_KEEP: as it is): set-id bits of what is no directory go, as inode_operations do it. */
struct owner owner_given(struct owner before, uint32_t uid, uint32_t gid, bool is_folder);

/* Whether somebody who is not root may do this to it: bits of 4 (read), 2 (write), 1 (execute, search). */
bool owner_allows(const struct owner *owner, bool is_owner, bool in_group, unsigned wanted);

/* The mode bits of a file on whose disk there are these, `noted` before. A write takes set-id bits away where root is not root to
   the kernel; to root it leaves them. All else that changes a mode is noted. */
uint32_t owner_written(uint32_t noted, mode_t disk);

/* The mode as stat(2) has it. */
mode_t owner_mode(const struct owner *owner, mode_t disk);

#endif
