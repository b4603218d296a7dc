// SPDX-License-Identifier: GPL-2.0
/* The page file, see pagefile.h. */

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#include "exitcode.h"
#include "log.h"
#include "pagefile.h"

static uint64_t header_sum(const struct pagefile_header *h)
{
	return XXH3_64bits(h, offsetof(struct pagefile_header, sum));
}

static uint64_t align(uint64_t n)
{
	return (n + XEN_PAGE - 1) / XEN_PAGE * XEN_PAGE;
}

const char *pagefile_boot_id = "/proc/sys/kernel/random/boot_id";

/* Which boot of dom0 this is. Return: 0 or an enum exitcode; then it has said why. */
static int read_boot(uint8_t boot[16])
{
	char text[64] = "", *c;
	unsigned int n = 0, digit;
	int fd = open(pagefile_boot_id, O_RDONLY | O_CLOEXEC);

	memset(boot, 0, 16);
	if (fd >= 0) {
		if (read(fd, text, sizeof(text) - 1) < 0)
			text[0] = 0;
		close(fd);
	}
	for (c = text; *c && n < 32; c++) {
		if (*c == '-' || sscanf(c, "%1x", &digit) != 1)
			continue;
		boot[n / 2] |= digit << (n % 2 ? 0 : 4);
		n++;
	}
	/* Without it a file in use can't be told from one of last week. */
	if (n != 32)
		return give_up(EXIT_PAGEFILE, "%s doesn't tell the boot of dom0, so that no page file can be used",
			       pagefile_boot_id);
	return 0;
}

static int open_and_lock(struct pagefile *f)
{
	const int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW;
	struct stat st;
	char again[32];

	f->direct = true;
	f->fd = open(f->path, flags | O_DIRECT, 0600);
	if (f->fd < 0 && errno == EINVAL) {
		f->direct = false;
		f->fd = open(f->path, flags, 0600);
	}
	if (f->fd < 0)
		return give_up(EXIT_PAGEFILE, "page file %s can't be opened: %s",
			       f->path, strerror(errno));
	if (fstat(f->fd, &st) || !S_ISREG(st.st_mode))
		return give_up(EXIT_PAGEFILE, "page file %s is not a regular file", f->path);
	if (flock(f->fd, LOCK_EX | LOCK_NB))
		return give_up(EXIT_PAGEFILE, "page file %s is in use by another pager",
			       f->path);
	/* The same file once more, because direct or cached I/O is set for each opening. */
	snprintf(again, sizeof(again), "/proc/self/fd/%d", f->fd);
	f->table_fd = open(again, O_RDWR | O_CLOEXEC);
	if (f->table_fd < 0)
		return give_up(EXIT_PAGEFILE, "page file %s can't be opened again: %s",
			       f->path, strerror(errno));
	if (!f->direct)
		say("page file %s: its file system has no direct I/O, so that dom0 may keep its pages in memory",
		    f->path);
	return 0;
}

/* The newer of the two copies that is whole. Return: how many octets there are. */
static ssize_t read_header(struct pagefile *f)
{
	struct pagefile_header *h = f->header, best = { .version = 0 };
	ssize_t n, most = 0;
	unsigned int i;

	for (i = 0; i < PAGEFILE_HEADERS; i++) {
		n = pread(f->table_fd, h, XEN_PAGE, i * XEN_PAGE);
		if (n < 0)
			return -errno;
		most = n > most ? n : most;
		if (n != XEN_PAGE || memcmp(h->magic, PAGEFILE_MAGIC, sizeof(h->magic)))
			continue;
		/* Another version has its checksum elsewhere. */
		if (h->version != PAGEFILE_VERSION && !best.version)
			best.version = h->version;
		if (h->version == PAGEFILE_VERSION && h->sum == header_sum(h) &&
		    h->sequence > best.sequence)
			best = *h;
	}
	memset(h, 0, XEN_PAGE);
	*h = best;
	return most;
}

/* Can the places be where it says? The checksum shows only that it wasn't changed. */
static bool sane(const struct pagefile_header *h)
{
	uint64_t total = 0;
	unsigned int i;

	if (h->page_size != XEN_PAGE || h->nr_slots > OFFER_MAX_PAGES ||
	    h->nr_ranges > XEN_PVFAULT_MAX_RANGES ||
	    h->table_offset != PAGEFILE_HEADERS * XEN_PAGE ||
	    h->data_offset != h->table_offset +
			      align(h->nr_slots * sizeof(struct pagefile_slot)))
		return false;
	for (i = 0; i < h->nr_ranges; i++)
		total += h->range[i].count;
	return total <= OFFER_MAX_PAGES;
}

/* May the existing file be overwritten, or continued? */
static int check_header(struct pagefile *f, struct xenif *x,
			const struct xenif_domain *domain)
{
	const struct pagefile_header *h = f->header;
	ssize_t n = read_header(f);
	uint8_t boot[16];
	int rc;

	if (n < 0)
		return give_up(EXIT_PAGEFILE, "page file %s can't be read: %s",
			       f->path, strerror(-n));
	if (n == 0)
		return 0;
	if (h->version && h->version != PAGEFILE_VERSION)
		return give_up(EXIT_PAGEFILE, "page file %s is of another version, %u",
			       f->path, h->version);
	if (!h->sequence || !sane(h))
		return give_up(EXIT_PAGEFILE,
			       "%s is not a page file of pvfault-pager, and is left as it is",
			       f->path);
	rc = read_boot(boot);
	if (rc || h->state == PAGEFILE_FREE || memcmp(h->boot, boot, sizeof(boot)))
		return rc;
	rc = xenif_alive(x, h->domid, h->uuid);
	if (rc < 0)
		return give_up(EXIT_DENIED,
			       "page file %s may hold pages of domain %u, of which Xen tells nothing: %s",
			       f->path, h->domid, strerror(-rc));
	if (!rc)
		return 0;
	if (h->domid != x->domid || memcmp(h->uuid, domain->uuid, sizeof(h->uuid)))
		return give_up(EXIT_PAGEFILE,
			       "page file %s holds pages of domain %u, whose pager has died; start a pager for that domain, or destroy it",
			       f->path, h->domid);
	f->nr_slots = h->nr_slots;
	f->adopt = true;
	return 0;
}

static int write_copy(struct pagefile *f)
{
	struct pagefile_header *h = f->header;
	ssize_t n;

	/* Over the older copy, so that the newer one is left if this fails. */
	h->sequence++;
	h->sum = header_sum(h);
	n = pwrite(f->table_fd, h, XEN_PAGE, h->sequence % PAGEFILE_HEADERS * XEN_PAGE);
	if (n < 0)
		return -errno;
	return n == XEN_PAGE ? 0 : -ENOSPC;
}

/* Both copies: the next pager may be able to read only one, and must not go by an older offer. */
static int write_header(struct pagefile *f)
{
	int rc = write_copy(f);

	return rc ? rc : write_copy(f);
}

static int make_header(struct pagefile *f, uint32_t domid,
		       const struct xenif_domain *domain)
{
	struct pagefile_header *h = f->header;
	int rc;

	memset(h, 0, XEN_PAGE);
	memcpy(h->magic, PAGEFILE_MAGIC, sizeof(h->magic));
	h->version = PAGEFILE_VERSION;
	h->state = PAGEFILE_USED;
	h->domid = domid;
	h->page_size = XEN_PAGE;
	memcpy(h->uuid, domain->uuid, sizeof(h->uuid));
	rc = read_boot(h->boot);
	if (rc)
		return rc;
	h->nr_slots = f->nr_slots;
	h->table_offset = PAGEFILE_HEADERS * XEN_PAGE;
	h->data_offset = h->table_offset +
			 align(f->nr_slots * sizeof(struct pagefile_slot));
	if (ftruncate(f->fd, 0))
		return give_up(EXIT_PAGEFILE, "page file %s can't be emptied: %s",
			       f->path, strerror(errno));
	rc = write_header(f);
	if (rc)
		return give_up(EXIT_PAGEFILE, "page file %s can't be written: %s",
			       f->path, strerror(-rc));
	return 0;
}

static size_t table_size(const struct pagefile *f)
{
	return align(f->nr_slots * sizeof(struct pagefile_slot));
}

static int map_table(struct pagefile *f)
{
	const off_t offset = f->header->table_offset;
	const size_t size = table_size(f);
	void *table;
	int rc = posix_fallocate(f->table_fd, offset, size);

	if (rc)
		return give_up(EXIT_PAGEFILE,
			       "page file %s has no room for its table of %zu KiB: %s",
			       f->path, size / 1024, strerror(rc));
	table = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, f->table_fd, offset);
	if (table == MAP_FAILED)
		return give_up(EXIT_PAGEFILE, "page file %s can't be mapped: %s",
			       f->path, strerror(errno));
	f->table = table;
	return 0;
}

static void unmap_table(struct pagefile *f)
{
	if (f->table)
		munmap(f->table, table_size(f));
	f->table = NULL;
}

static void pagefile_release(struct pagefile *f)
{
	unmap_table(f);
	free(f->header);
	free(f->slot);
	free(f->free);
	if (f->table_fd >= 0)
		close(f->table_fd);
	/* The lock is on this one. */
	if (f->fd >= 0)
		close(f->fd);
	*f = (struct pagefile) { .fd = -1, .table_fd = -1 };
}

int pagefile_open(struct pagefile *f, const char *path, struct xenif *x,
		  const struct xenif_domain *domain, uint64_t most_pages)
{
	int rc;

	*f = (struct pagefile) { .fd = -1, .table_fd = -1, .path = path };
	f->nr_slots = most_pages < OFFER_MAX_PAGES ? most_pages : OFFER_MAX_PAGES;
	rc = open_and_lock(f);
	if (!rc) {
		f->header = aligned_alloc(XEN_PAGE, XEN_PAGE);
		if (!f->header)
			rc = give_up(EXIT_TROUBLE, "there is no memory");
	}
	if (!rc)
		rc = check_header(f, x, domain);
	if (!rc && !f->adopt)
		rc = make_header(f, x->domid, domain);
	if (!rc)
		rc = map_table(f);
	if (rc)
		pagefile_release(f);
	return rc;
}

void pagefile_leave(struct pagefile *f)
{
	if (f->fd >= 0)
		pagefile_release(f);
}

void pagefile_shrink(struct pagefile *f)
{
	if (f->used || !f->made)
		return;
	if (ftruncate(f->fd, f->header->data_offset))
		chat("page file %s can't be made smaller", f->path);
	f->made = 0;
	f->nr_free = 0;
}

void pagefile_close(struct pagefile *f)
{
	if (f->fd < 0)
		return;
	unmap_table(f);
	/* Keep the lock until the file says that it is free. */
	if (ftruncate(f->fd, PAGEFILE_HEADERS * XEN_PAGE))
		chat("page file %s can't be made smaller", f->path);
	if (pagefile_set_state(f, PAGEFILE_FREE))
		say("page file %s can't be marked as free; remove it", f->path);
	pagefile_release(f);
}

int pagefile_set_state(struct pagefile *f, enum pagefile_state state)
{
	f->header->state = state;
	return write_header(f);
}

int pagefile_set_offer(struct pagefile *f, const struct offer *offer)
{
	struct pagefile_header *h = f->header;
	unsigned int i;

	memset(h->range, 0, sizeof(h->range));
	h->nr_ranges = offer->nr;
	for (i = 0; i < offer->nr; i++) {
		h->range[i].start = offer->range[i].start;
		h->range[i].count = offer->range[i].count;
	}
	return write_header(f);
}

void pagefile_offer(const struct pagefile *f, struct offer *offer)
{
	const struct pagefile_header *h = f->header;
	unsigned int i;

	*offer = (struct offer) { .nr = h->nr_ranges };
	for (i = 0; i < offer->nr; i++) {
		offer->range[i].start = h->range[i].start;
		offer->range[i].count = h->range[i].count;
		offer->range[i].first = offer->total;
		offer->total += h->range[i].count;
	}
}
