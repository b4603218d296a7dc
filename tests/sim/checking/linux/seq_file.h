/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SIM_LINUX_SEQ_FILE_H
#define _SIM_LINUX_SEQ_FILE_H

#include <linux/types.h>

struct seq_file {
	unsigned int lines;
};

void seq_printf(struct seq_file *m, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void seq_puts(struct seq_file *m, const char *s);

#endif
