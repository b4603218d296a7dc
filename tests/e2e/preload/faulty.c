// SPDX-License-Identifier: GPL-2.0
/*
 * Preloaded into the pager, which runs with --sync-io: as long as there is a file
 * /tmp/faulty, no page can be read.
 */
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

ssize_t pread(int fd, void *buf, size_t count, off_t offset)
{
	if (count == 4096 && !access("/tmp/faulty", F_OK)) {
		errno = EIO;
		return -1;
	}
	return syscall(SYS_pread64, fd, buf, count, offset);
}
