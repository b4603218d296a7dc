// SPDX-License-Identifier: GPL-2.0
/* Reads and writes of whole pages, one after the other; see io.h. */

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "io.h"
#include "log.h"
#include "xenif.h"

void io_submit(struct io *io, struct io_job *job)
{
	job->busy = true;
	io->busy++;
	io->ops->submit(io, job);
}

void io_over(struct io *io, struct io_job *job, long moved)
{
	int result = 0;

	/* Part of a page: the file has ended here, or the disk is full. */
	if (moved < 0)
		result = moved;
	else if (moved != XEN_PAGE)
		result = job->write ? -ENOSPC : -EIO;
	io->busy--;
	job->busy = false;
	job->done(job, result);
}

/* Done at once, but reported later, as with io_uring. */
#define SYNC_DEPTH	256

struct io_sync {
	struct io io;
	int fd;
	unsigned int nr_over;
	struct {
		struct io_job *job;
		long moved;
	} over[SYNC_DEPTH];
};

static void sync_submit(struct io *io, struct io_job *job)
{
	struct io_sync *s = (struct io_sync *)io;
	uint64_t one = 1;
	long moved;

	if (s->nr_over == SYNC_DEPTH) {
		io_over(io, job, -EAGAIN);
		return;
	}
	if (job->write)
		moved = pwrite(s->fd, job->buf, XEN_PAGE, job->offset);
	else
		moved = pread(s->fd, job->buf, XEN_PAGE, job->offset);
	s->over[s->nr_over].job = job;
	s->over[s->nr_over++].moved = moved < 0 ? -errno : moved;
	if (write(io->event_fd, &one, sizeof(one)) < 0)
		chat("eventfd: %d", errno);
}

static void sync_flush(struct io *io)
{
	(void)io;
}

static void sync_reap(struct io *io)
{
	struct io_sync *s = (struct io_sync *)io;
	unsigned int i, nr = s->nr_over;
	uint64_t count;

	if (read(io->event_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		chat("eventfd: %d", errno);
	for (i = 0; i < nr; i++)
		io_over(io, s->over[i].job, s->over[i].moved);
	/* Jobs submitted meanwhile come after these. */
	for (i = nr; i < s->nr_over; i++)
		s->over[i - nr] = s->over[i];
	s->nr_over -= nr;
}

static void sync_close(struct io *io)
{
	close(io->event_fd);
	free(io);
}

static const struct io_ops sync_ops = {
	.name = "one by one",
	.submit = sync_submit,
	.flush = sync_flush,
	.reap = sync_reap,
	.close = sync_close,
};

struct io *io_sync_open(int fd)
{
	struct io_sync *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->io.ops = &sync_ops;
	s->fd = fd;
	s->io.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->io.event_fd < 0) {
		free(s);
		return NULL;
	}
	return &s->io;
}

struct io *io_open(int fd, unsigned int depth, bool sync)
{
	struct io *io = sync ? NULL : io_uring_open(fd, depth);

	if (io)
		return io;
	if (!sync)
		say("this kernel has no io_uring: pages are read and written one by one");
	return io_sync_open(fd);
}
