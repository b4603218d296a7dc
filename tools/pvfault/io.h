/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reads and writes of whole pages in parallel: by io_uring, or one after the
 * other where the kernel has none.
 */
#ifndef PVFAULT_IO_H
#define PVFAULT_IO_H

#include <stdbool.h>
#include <stdint.h>

struct io;

/**
 * struct io_job - one page to be read or written
 * @write: or read
 * @busy: between io_submit() and @done
 * @buf: the page in memory, aligned to its size
 * @offset: in the file
 * @done: called by io_reap() with 0 or a negative errno; may submit again
 */
struct io_job {
	bool write, busy;
	void *buf;
	uint64_t offset;
	void (*done)(struct io_job *job, int result);
};

/**
 * struct io_ops - how it is done
 * @name: for the log
 * @submit: starts a job; its @done reports errors
 * @flush: gives to the kernel what was started
 * @reap: calls @done of those that are over. Doesn't wait
 * @close: waits for all jobs, calls @done of none
 */
struct io_ops {
	const char *name;
	void (*submit)(struct io *io, struct io_job *job);
	void (*flush)(struct io *io);
	void (*reap)(struct io *io);
	void (*close)(struct io *io);
};

/**
 * struct io - where pages are read and written
 * @ops: how
 * @event_fd: readable when io_reap() has something to do
 * @busy: jobs under way
 */
struct io {
	const struct io_ops *ops;
	int event_fd;
	unsigned int busy;
};

/* Return: NULL if there is no memory. @sync: don't try io_uring. */
struct io *io_open(int fd, unsigned int depth, bool sync);

void io_submit(struct io *io, struct io_job *job);

static inline void io_flush(struct io *io)
{
	io->ops->flush(io);
}

static inline void io_reap(struct io *io)
{
	io->ops->reap(io);
}

static inline void io_close(struct io *io)
{
	io->ops->close(io);
}

/* For the implementations: @job is over, @moved octets or negative errno. */
void io_over(struct io *io, struct io_job *job, long moved);

struct io *io_uring_open(int fd, unsigned int depth);
struct io *io_sync_open(int fd);

#endif /* PVFAULT_IO_H */
