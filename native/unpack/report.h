/* The last word: one line of JSON for the process that started us.
 *
 * Names are bytes, JSON is text: each byte that is not printable ASCII is written as \u00XX, so the reader gets the
 * bytes back by encoding as Latin-1.
 */
#ifndef WHERRY_UNPACK_REPORT_H
#define WHERRY_UNPACK_REPORT_H

#include "layer.h"

#include <stdio.h>

/* {"entries":..,"links":[["path","target",own],..],"implicit":["path",..],"open":[["path",mode],..]} : 0, or -1 when
 * it cannot be written */
int report_summary(FILE *out, const struct layer *layer);
/* {"error":{"kind":"hostile","errno":0,"path":"..","why":".."}} */
int report_failure(FILE *out, const struct failure *failure);

#endif
