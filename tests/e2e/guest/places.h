/* SPDX-License-Identifier: GPL-2.0 */
/* Where in the kernel notifications were rejected. */
#ifndef PLACES_H
#define PLACES_H

/* Begin to trace it. */
void places_start(void);

/* Report the functions where it happened most: "place.FUNCTION TIMES". */
void places_report(void);

#endif
