// SPDX-License-Identifier: GPL-2.0
/* A way by io_uring: reads of a file's page cache into memory. See ways.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>

#include "guest.h"
#include "ways.h"

static void uring_fill(struct walk *walk)
{
	struct io_uring *ring = calloc(1, sizeof(*ring));
	int err = io_uring_queue_init(8, ring, 0);

	errno = -err;
	must(walk, !err, "io_uring");
	walk->library = ring;
	walk->pages /= 2;
	walk->fd = file_new(walk, walk->pages);
	walk->copy = area_new(walk, walk->pages, 1);
}

static void uring_step(struct walk *walk, unsigned long page)
{
	uint64_t *to = walk->copy + page * PAGE_WORDS;
	struct io_uring *ring = walk->library;
	struct io_uring_cqe *cqe = NULL;
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	int got;

	io_uring_prep_read(sqe, walk->fd, to, PAGE, page * PAGE);
	/* Every other time a worker thread of the kernel does it. */
	if (walk->w->touches & 1)
		io_uring_sqe_set_flags(sqe, IOSQE_ASYNC);
	got = io_uring_submit_and_wait(ring, 1);
	if (got < 0 || io_uring_peek_cqe(ring, &cqe)) {
		must(walk, 0, "io_uring submit");
		return;
	}
	must(walk, cqe->res == (int)PAGE, "io_uring read");
	io_uring_cqe_seen(ring, cqe);
	check_words(walk, to + walk->first, page, walk->first, 8);
}

static void uring_verify(struct walk *walk)
{
	for (unsigned long n = 0; n < walk->pages; n++) {
		uring_step(walk, n);
		check_words(walk, walk->copy + n * PAGE_WORDS, n, 0, PAGE_WORDS);
	}
}

static void uring_flip(struct walk *walk)
{
	must(walk, pwrite(walk->fd, "wrong", 5, walk->pages / 4 * PAGE + 56) == 5, "flip");
}

const struct way way_uring = { "uring", uring_fill, uring_step, uring_verify, uring_flip };
