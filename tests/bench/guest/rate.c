// SPDX-License-Identifier: GPL-2.0
/*
 * rate FILE DEPTH SECONDS: how many reads of 4 KiB a second a disk gives, at random places
 * of FILE, past the page cache, by io_uring as the pager does it, with DEPTH of them under
 * way at any time.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#define SIZE	4096
#define MOST	128

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void submit(struct io_uring *ring, int fd, void *buf, long pages)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	io_uring_prep_read(sqe, fd, buf, SIZE, random() % pages * SIZE);
	io_uring_sqe_set_data(sqe, buf);
}

int main(int argc, char **argv)
{
	int fd = argc == 4 ? open(argv[1], O_RDONLY | O_DIRECT) : -1, i, depth;
	unsigned long done = 0;
	struct io_uring ring;
	double began, end;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) || st.st_size < SIZE)
		return 1;
	depth = atoi(argv[2]);
	if (depth < 1 || depth > MOST || io_uring_queue_init(MOST, &ring, 0))
		return 1;
	began = now();
	end = began + atof(argv[3]);
	for (i = 0; i < depth; i++)
		submit(&ring, fd, aligned_alloc(SIZE, SIZE), st.st_size / SIZE);
	while (now() < end) {
		struct io_uring_cqe *cqe;

		if (io_uring_submit_and_wait(&ring, 1) < 0)
			return 1;
		while (!io_uring_peek_cqe(&ring, &cqe)) {
			void *buf = io_uring_cqe_get_data(cqe);

			if (cqe->res != SIZE)
				return 1;
			io_uring_cqe_seen(&ring, cqe);
			submit(&ring, fd, buf, st.st_size / SIZE);
			done++;
		}
	}
	printf("%.1f\n", done / (now() - began));
	return 0;
}
