// SPDX-License-Identifier: GPL-2.0
/* Reads and writes of whole pages by io_uring, see io.h. */

#include <errno.h>
#include <stdlib.h>

#include <liburing.h>

#include "io.h"
#include "log.h"
#include "xenif.h"

struct io_by_uring {
	struct io io;
	int fd;
	struct io_uring uring;
};

static void uring_submit(struct io *io, struct io_job *job)
{
	struct io_by_uring *u = (struct io_by_uring *)io;
	struct io_uring_sqe *sqe = io_uring_get_sqe(&u->uring);

	if (!sqe) {
		io_uring_submit(&u->uring);
		sqe = io_uring_get_sqe(&u->uring);
	}
	if (!sqe) {
		io_over(io, job, -EAGAIN);
		return;
	}
	if (job->write)
		io_uring_prep_write(sqe, u->fd, job->buf, XEN_PAGE, job->offset);
	else
		io_uring_prep_read(sqe, u->fd, job->buf, XEN_PAGE, job->offset);
	io_uring_sqe_set_data(sqe, job);
}

static void uring_flush(struct io *io)
{
	struct io_by_uring *u = (struct io_by_uring *)io;
	int rc;

	if (!io_uring_sq_ready(&u->uring))
		return;
	/* Jobs that it doesn't take now stay in the queue for the next time. */
	rc = io_uring_submit(&u->uring);
	if (rc < 0)
		chat("io_uring_submit: %d", rc);
}

static void uring_reap(struct io *io)
{
	struct io_by_uring *u = (struct io_by_uring *)io;
	struct io_uring_cqe *cqe;
	struct io_job *job;
	long moved;

	while (!io_uring_peek_cqe(&u->uring, &cqe)) {
		job = io_uring_cqe_get_data(cqe);
		moved = cqe->res;
		io_uring_cqe_seen(&u->uring, cqe);
		io_over(io, job, moved);
	}
}

static void uring_close(struct io *io)
{
	struct io_by_uring *u = (struct io_by_uring *)io;
	struct io_uring_cqe *cqe;

	/* The kernel must not write into buffers that are no more. */
	uring_flush(io);
	for (; io->busy; io->busy--) {
		if (io_uring_wait_cqe(&u->uring, &cqe))
			break;
		io_uring_cqe_seen(&u->uring, cqe);
	}
	io_uring_queue_exit(&u->uring);
	free(u);
}

static const struct io_ops uring_ops = {
	.name = "io_uring",
	.submit = uring_submit,
	.flush = uring_flush,
	.reap = uring_reap,
	.close = uring_close,
};

struct io *io_uring_open(int fd, unsigned int depth)
{
	struct io_by_uring *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->io.ops = &uring_ops;
	u->fd = fd;
	if (io_uring_queue_init(depth, &u->uring, 0)) {
		free(u);
		return NULL;
	}
	/* Readable as long as something is over: nothing to be read, or reset. */
	u->io.event_fd = u->uring.ring_fd;
	return &u->io;
}
