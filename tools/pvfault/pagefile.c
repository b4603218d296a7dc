// SPDX-License-Identifier: GPL-2.0
/* The page file, see pagefile.h. */

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#include "exitcode.h"
#include "log.h"
#include "pagefile.h"
#include "pages.h"

static uint64_t header_sum(const struct pagefile_header *h)
{
	return XXH3_64bits(h, offsetof(struct pagefile_header, sum));
}

static uint64_t align(uint64_t n)
{
	return (n + XEN_PAGE - 1) / XEN_PAGE * XEN_PAGE;
}

static int open_and_lock(struct pagefile *f)
{
	const int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW;
	struct stat st;

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
	if (!f->direct)
		say("page file %s: its file system has no direct I/O, so that dom0 may keep its pages in memory",
		    f->path);
	return 0;
}

/* Is what is there already ours to overwrite? */
static int check_header(struct pagefile *f, struct xenif *x)
{
	const struct pagefile_header *h = f->header;
	ssize_t n = pread(f->fd, f->header, XEN_PAGE, 0);

	if (n < 0)
		return give_up(EXIT_PAGEFILE, "page file %s can't be read: %s",
			       f->path, strerror(errno));
	if (n == 0)
		return 0;
	if (n != XEN_PAGE || memcmp(h->magic, PAGEFILE_MAGIC, sizeof(h->magic)) ||
	    h->sum != header_sum(h))
		return give_up(EXIT_PAGEFILE,
			       "%s is not a page file of pvfault-pager, and is left as it is",
			       f->path);
	if (h->version != PAGEFILE_VERSION)
		return give_up(EXIT_PAGEFILE, "page file %s is of another version, %u",
			       f->path, h->version);
	if (h->in_use && x->ops->alive(x, h->domid, h->uuid))
		return give_up(EXIT_PAGEFILE,
			       "page file %s holds pages of domain %u, whose pager has died; destroy that domain first",
			       f->path, h->domid);
	return 0;
}

static int write_header(struct pagefile *f)
{
	struct pagefile_header *h = f->header;

	h->sum = header_sum(h);
	if (pwrite(f->fd, h, XEN_PAGE, 0) != XEN_PAGE || fdatasync(f->fd))
		return give_up(EXIT_PAGEFILE, "page file %s can't be written: %s",
			       f->path, errno ? strerror(errno) : "the disk is full");
	return 0;
}

static int make_header(struct pagefile *f, uint32_t domid,
		       const struct xenif_domain *domain)
{
	struct pagefile_header *h = f->header;

	memset(h, 0, XEN_PAGE);
	memcpy(h->magic, PAGEFILE_MAGIC, sizeof(h->magic));
	h->version = PAGEFILE_VERSION;
	h->in_use = 1;
	h->domid = domid;
	h->page_size = XEN_PAGE;
	memcpy(h->uuid, domain->uuid, sizeof(h->uuid));
	h->nr_slots = f->nr_slots;
	h->meta_offset = XEN_PAGE;
	h->data_offset = h->meta_offset +
			 align(f->nr_slots * sizeof(struct pagefile_slot));
	errno = 0;
	if (ftruncate(f->fd, 0))
		return give_up(EXIT_PAGEFILE, "page file %s can't be emptied: %s",
			       f->path, strerror(errno));
	return write_header(f);
}

int pagefile_open(struct pagefile *f, const char *path, struct xenif *x,
		  const struct xenif_domain *domain)
{
	int rc;

	*f = (struct pagefile) { .fd = -1, .path = path };
	f->nr_slots = domain->max_pages < OFFER_MAX_PAGES ?
		      domain->max_pages : OFFER_MAX_PAGES;
	rc = open_and_lock(f);
	if (rc)
		goto err;
	f->header = aligned_alloc(XEN_PAGE, XEN_PAGE);
	if (!f->header) {
		rc = give_up(EXIT_TROUBLE, "there is no memory");
		goto err;
	}
	rc = check_header(f, x);
	if (!rc)
		rc = make_header(f, x->domid, domain);
	if (!rc)
		return 0;
err:
	free(f->header);
	if (f->fd >= 0)
		close(f->fd);
	f->header = NULL;
	f->fd = -1;
	return rc;
}

void pagefile_close(struct pagefile *f)
{
	if (f->fd < 0)
		return;
	f->header->in_use = 0;
	/* Never undo the lock before the file says that it is free. */
	if (ftruncate(f->fd, XEN_PAGE))
		chat("page file %s can't be made smaller", f->path);
	write_header(f);
	close(f->fd);
	free(f->header);
	free(f->slot);
	free(f->free);
	*f = (struct pagefile) { .fd = -1 };
}

static bool grow(struct pagefile *f)
{
	uint64_t room = f->room ? f->room * 2ULL : 4096;
	void *p;

	if (room > f->nr_slots)
		room = f->nr_slots;
	if (room <= f->made)
		return false;
	p = realloc(f->slot, room * sizeof(*f->slot));
	if (!p)
		return false;
	f->slot = p;
	p = realloc(f->free, room * sizeof(*f->free));
	if (!p)
		return false;
	f->free = p;
	f->room = room;
	return true;
}

uint32_t pagefile_get(struct pagefile *f)
{
	uint32_t slot;

	if (f->nr_free) {
		slot = f->free[--f->nr_free];
	} else {
		if (f->made == f->room && !grow(f))
			return SLOT_NONE;
		slot = f->made++;
	}
	f->slot[slot].gfn = ~0ULL;
	f->used++;
	return slot;
}

void pagefile_put(struct pagefile *f, uint32_t slot)
{
	f->slot[slot].gfn = ~0ULL;
	f->free[f->nr_free++] = slot;
	f->used--;
}

uint64_t pagefile_offset(const struct pagefile *f, uint32_t slot)
{
	return f->header->data_offset + (uint64_t)slot * XEN_PAGE;
}

void pagefile_seal(struct pagefile *f, uint32_t slot, uint64_t gfn, const void *page)
{
	f->slot[slot].gfn = gfn;
	f->slot[slot].sum = XXH3_64bits_withSeed(page, XEN_PAGE, gfn);
}

bool pagefile_check(const struct pagefile *f, uint32_t slot, uint64_t gfn,
		    const void *page)
{
	return f->slot[slot].gfn == gfn &&
	       f->slot[slot].sum == XXH3_64bits_withSeed(page, XEN_PAGE, gfn);
}

bool pagefile_is_zero(const void *page)
{
	const uint64_t *word = page;

	/* The first word isn't zero in most that aren't; else compare all to it. */
	return !*word && !memcmp(word, word + 1, XEN_PAGE - sizeof(*word));
}
