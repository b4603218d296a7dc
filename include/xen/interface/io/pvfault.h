/* SPDX-License-Identifier: MIT */
/******************************************************************************
 * pvfault.h
 *
 * Asynchronous page faults: a pager in the backend domain takes pages of the
 * frontend domain away and tells it of each touch, so that the frontend can put
 * one task to sleep instead of losing a whole vCPU.
 */

#ifndef __XEN_PUBLIC_IO_PVFAULT_H__
#define __XEN_PUBLIC_IO_PVFAULT_H__

/* Like its neighbours it needs uint8_t to uint64_t, and includes nothing. */

/*
 * Overview
 * ========
 *
 * Backend: the pager, the consumer of the domain's mem-paging vm_event ring.
 * Frontend: a 64-bit HVM or PVH guest. There is one device in a domain, 0.
 *
 *	     guest touches a missing page
 *	Xen	pauses the vCPU, sends a mem-paging request to the pager
 *	pager	starts to read the page; may it notify? (see below)
 *		yes: injects NOT_PRESENT(token) and answers the request, without
 *		     the page: the vCPU runs on, with a #PF to take
 *		no:  answers when the page is there, as if there were no pvfault
 *	guest	takes the #PF: the task sleeps, another one runs
 *	pager	the page is in: puts READY(token) into the ring, notifies
 *	guest	the task wakes and executes its instruction once more
 *
 * So far this is for x86 alone: a #PF, CR2, the privilege level of the vCPU and
 * RFLAGS.IF have no meaning elsewhere, and another architecture needs another
 * way of NOT_PRESENT, behind a feature (see below). The frontend's kernel runs in
 * 64-bit mode. If it runs nested guests, the #PF is the frontend's: a backend
 * doesn't notify while the vCPU is in a nested guest, unless the hypervisor delivers
 * the #PF to its host.
 *
 * Rules that make it safe
 * -----------------------
 * - Only pages that the frontend offers may be taken away. Everything else is
 *   denied: Xen fails hypercalls whose arguments lie in a missing page, and
 *   writes some of a domain's memory (runstate, vcpu_info) itself.
 * - A NOT_PRESENT may be lost: its vCPU takes another exception first, or is
 *   reset. Then it touches the page again, and waits in Xen.
 * - A NOT_PRESENT may come after its READY: another vCPU takes the event while
 *   this one has yet to take the #PF. So a frontend that finds a READY without a
 *   task remembers it until the NOT_PRESENT comes; and because room for that is
 *   bounded, each task that sleeps touches its page again after a deadline of the
 *   frontend's own choice (some seconds).
 * - A NOT_PRESENT may come twice: after a restore, or when a backend has died
 *   between injecting and answering. Both tasks sleep until READY, or READY for all.
 * - A READY must not be lost. A backend that doesn't know the tokens says READY for
 *   all, because a task woken too soon only touches its page once more.
 * - There is no heartbeat. A frontend can't tell a slow backend from a dead one, and
 *   need not: in both cases its deadlines end each sleep, and the touch that follows
 *   waits in Xen until a backend serves the domain again.
 * - Each side trusts nothing that the other one writes.
 *
 * NOT_PRESENT
 * ===========
 *
 * A #PF (vector 14, hardware exception) injected into the vCPU that touched the
 * page, while Xen keeps that vCPU paused. Its error code is 4 (user) at CPL 3, else
 * 0, so that a kernel that doesn't know the token ends that task and lives on; a
 * frontend doesn't look at it. CR2 is the token:
 *
 *	 63           48 47 46          32 31                            0
 *	+---------------+--+--------------+-------------------------------+
 *	|   signature   | 0|  generation  |            number             |
 *	+---------------+--+--------------+-------------------------------+
 *
 * signature	XEN_PVFAULT_SIGNATURE. Bit 63 is set, bits 56 and 47 are clear:
 *		no such address is canonical, with four levels of page tables or
 *		five, and none is with LAM, which keeps bit 63 equal to bit 56
 *		or 47. A processor raises #GP for it, never #PF. So a genuine
 *		fault can't look like this one, whatever its error code, and no
 *		flag has to be read beside CR2. (AMD's UAI ignores bits 63:57 in
 *		user mode; a frontend that enables it must not use this protocol.)
 * generation	1 to 32767, of the backend: differs from that of an earlier backend
 *		which served the same connection.
 * number	chosen by the backend, unique among those outstanding.
 *
 * Why an exception and not an event: it has to reach the very task that touched
 * the page, before that task's next instruction. An event channel's upcall goes
 * to a vCPU when interrupts allow, and knows nothing of tasks. An exception is
 * precise: Xen delivers it when it resumes the vCPU, at the instruction that
 * faulted.
 *
 * The backend notifies only if all of this holds, and answers late otherwise:
 * - the vCPU's octet in the front page has the bit of its mode: TELL_USER for
 *   CPL 3, TELL_KERNEL for any other;
 * - RFLAGS.IF is set;
 * - no event waits to be injected into the vCPU, and none was being delivered
 *   when it faulted: Xen would drop ours, or lose the other one;
 * - fewer than "max-outstanding" tokens are without a READY, or have one that the
 *   frontend has not taken out of the ring yet.
 *
 * The vCPU is paused while the backend looks and injects, so that its own octet
 * is stable: a vCPU that has cleared its octet gets no more NOT_PRESENT.
 *
 * READY
 * =====
 *
 * A ring of 64-bit tokens in pages of the frontend, and one event channel. READY
 * is said once for each NOT_PRESENT, when the page can be touched, in any order.
 * READY for all is a count: each step of it wakes all tasks notified before.
 *
 * Each shared page has one writer:
 *
 *	front page, written by the frontend, granted read-only:
 *
 *	 octet	0        4        8          16           24       64          4096
 *		+--------+--------+----------+------------+--------+------------+
 *		|  cons  | event  | clear_ip | clear_base |   0    | tell[4032] |
 *		+--------+--------+----------+------------+--------+------------+
 *
 *	ring pages, written by the backend, granted writable, 1 << ring-page-order:
 *
 *	 octet	0        4        8                 64
 *		+--------+--------+-----------------+----------------+---
 *		|  prod  |  all   |  reserved (0)   | entry[0]       | ...
 *		+--------+--------+-----------------+----------------+---
 *
 * All fields are little-endian and written with one store. Indices run freely
 * through 32 bits; entry i lies at entry[i % length], length = 256 << order.
 * Before Initialised all is 0 but event, which is 1: with 0 the first entry
 * would send no event.
 *
 * Backend, to say READY:
 *	if prod - cons >= length: all += 1 (there is no room for this one)
 *	else: entry[prod % length] = token
 *	      write barrier	-- pairs with the frontend's read barrier
 *	      prod += 1
 *	full barrier		-- pairs with the frontend's full barrier
 *	notify if all has changed, or event is one of those just passed:
 *	      prod - event < prod - old prod
 *
 * Frontend, on each event and whenever it fears to have lost one:
 *	do {
 *		p = prod, a = all
 *		read barrier	-- pairs with the backend's write barrier
 *		if a is not that of last time: READY for all
 *		if p - cons > length: READY for all, cons = p (the backend is broken)
 *		while cons != p: take a copy of entry[cons % length], cons += 1
 *		publish cons	-- after the copies: the backend reuses the room
 *		event = cons + 1
 *		full barrier	-- pairs with the backend's full barrier
 *	} while prod != cons or all has changed
 *
 * An entry without the signature is counted and dropped. A token for which no task
 * sleeps is remembered, see above. A well-behaved backend never finds the ring full,
 * because "max-outstanding", which includes the tokens in the ring, is at most its length.
 *
 * Contents that nobody needs (feature-clear)
 * =========================================
 *
 * A page that was taken away while it was free is allocated again, and is about to be
 * cleared. What was in it need not be read. A frontend that uses this feature has one
 * instruction, run at CPL 0, which touches only such pages, with the page's address in
 * RDI. It writes into the front page
 *
 * clear_base	the address at which gfn 0 would lie: that of a page is
 *		clear_base + 4096 * gfn
 * clear_ip	the address of the instruction; 0, as at first: there is none.
 *		Written after clear_base
 *
 * If Xen has paused a vCPU at a touch of a page that is out, and
 *	its CPL is 0, RIP = clear_ip, and RDI = clear_base + 4096 * gfn,
 * the backend may give it a page of zeroes at once, instead of what it has, and answer.
 * It may not if the page is wanted for another touch, or is being read.
 *
 * Why registers, and not a list in shared memory: a hint beside the touch has to be
 * written before it and withdrawn after it, and meanwhile the page may be freed,
 * allocated and touched by another vCPU for what is in it. The registers of a vCPU
 * that is paused are the hint of this touch and of no other. And a page that is out
 * can't get new contents before it is back, because writing them is a touch, too. So
 * what nobody needs when the backend looks, nobody needs when the page is there.
 *
 * CPL 0 because a process could set its registers so, and touch a page that it shares
 * with others. For the same reason a frontend that may run nested guests doesn't use the
 * feature: their registers would count. The frontend clears clear_ip whenever it clears
 * tell[]: the next kernel may have something else there. A frontend that lies loses its
 * own contents only.
 *
 * XenStore
 * ========
 *
 * The backend creates both folders, in one transaction, once it is ready to serve.
 * The frontend folder is the frontend's to write; the backend folder its to read.
 * The backend removes its folder when the domain is gone, or has been reset; the
 * frontend's is the toolstack's to remove. Nodes that one end writes and that belong
 * together it writes in one transaction, before the state that makes them valid, and
 * doesn't change them in that state. So the other end may read them one by one.
 *
 * An example, of domain 7, with two of its vCPUs and 1 GiB on offer:
 *
 *	/local/domain/0/backend/pvfault/7/0/
 *		frontend = "/local/domain/7/device/pvfault/0"
 *		frontend-id = "7"
 *		versions = "1"
 *		max-ring-page-order = "4"
 *		max-ranges = "64"
 *		feature-clear = "1"
 *		agreed-serial = "1"
 *		state = "4"
 *	/local/domain/7/device/pvfault/0/
 *		backend = "/local/domain/0/backend/pvfault/7/0"
 *		backend-id = "0"
 *		version = "1"
 *		front-ref = "8"
 *		ring-page-order = "0"
 *		ring-ref0 = "9"
 *		event-channel = "12"
 *		max-outstanding = "256"
 *		feature-clear = "1"
 *		offer = "262144+262144"
 *		offer-serial = "1"
 *		state = "4"
 *
 * Backend nodes, valid from InitWait on:
 *
 * versions
 *	Values: string of decimal numbers, separated by commas: "1"
 *	The versions of this protocol that it speaks.
 *
 * max-ring-page-order
 *	Values: 0 to XEN_PVFAULT_MAX_RING_PAGE_ORDER
 *
 * max-ranges
 *	Values: 1 to XEN_PVFAULT_MAX_RANGES
 *	How many ranges an "offer" may have.
 *
 * agreed-serial
 *	Values: uint32, as of "offer-serial"
 *	Valid from Connected on: the offer to which Connected, or Reconfigured, belongs.
 *
 * feature-NAME
 *	Values: 0 or 1; none: 0
 *	An option is offered by such a node of the backend, and used if the frontend has
 *	a node of the same name; both are 1 then. Bits of tell[] and octets of the shared
 *	pages get a meaning by this alone. So far there is
 *		feature-clear	see "Contents that nobody needs"
 *
 * Frontend nodes, valid from Initialised on:
 *
 * version
 *	Values: one of "versions"
 *
 * front-ref
 *	Values: uint32, grant reference of the front page
 *
 * ring-page-order
 *	Values: 0 to max-ring-page-order
 *
 * ring-ref0, ring-ref1, ...
 *	Values: uint32, grant references of the 1 << ring-page-order ring pages
 *
 * event-channel
 *	Values: uint32, unbound port for the backend
 *
 * max-outstanding
 *	Values: 1 to 256 << ring-page-order
 *	How many tokens the frontend takes at a time, see above.
 *
 * feature-NAME
 *	See there. Never 1 if the backend's isn't.
 *
 * offer
 *	Values: up to max-ranges of "START+COUNT", separated by one blank; decimal
 *	gfn, number of 4 KiB pages; ascending, not overlapping; "" for nothing
 *	The pages that may be taken away. The frontend offers pages that hold neither
 *	its kernel nor data that it passes to hypercalls; in Linux that is
 *	ZONE_MOVABLE, except pages that were reserved at boot.
 *
 * offer-serial
 *	Values: uint32
 *	Another one for each offer, written in one transaction with it.
 *
 * A missing node, a value out of its range, or one with anything behind it, is
 * an error: the side that finds it writes a line of text about it to
 * "/local/domain/ITS-ID/error/FOLDER/error", where FOLDER is the path of its folder
 * below "/local/domain/ITS-ID/", and goes to Closing. Unknown nodes are ignored. Reserved octets
 * are written as 0 and not looked at.
 *
 * States
 * ======
 *
 *	backend					frontend
 *	-------					--------
 *	InitWait: versions, limits		Initialising
 *						grants, event channel, offer
 *						arms its recogniser
 *						Initialised
 *	maps, binds, checks the offer
 *	Connected
 *						Connected: fills tell[]
 *	takes pages away
 *
 * The offer changes (memory was added or is to be removed):
 *						writes "offer", Reconfiguring
 *	takes nothing that isn't in the new offer,
 *	brings back what is out of it
 *	agreed-serial, Reconfigured
 *						may remove; Connected
 *	Connected
 *
 * Reconfigured counts only with the "agreed-serial" of the last offer: a frontend
 * that has written another one meanwhile waits on, and a backend that sees another
 * one works on that, and says Reconfigured once more.
 *
 * The frontend leaves (suspend, kexec, device unbound):
 *						clears tell[], clear_ip; Closing
 *	notifies no more; may say Closing;
 *	brings back every page;
 *	READY for all sleepers; unmaps, unbinds
 *	Closed
 *						disarms its recogniser, revokes
 *						grants; Closed
 *
 * The backend leaves:
 *	notifies no more; brings back every page;
 *	READY for all sleepers
 *	Closing
 *						clears tell[]; Closing
 *	unmaps, unbinds
 *	Closed
 *						as above; Closed
 *
 * Closed of the backend is a promise: every page is there, none will go, no
 * NOT_PRESENT is on its way, nothing of the frontend is mapped. Until then the
 * frontend's recogniser stays armed. A frontend in a hurry (kexec) may go on
 * after some seconds; it then can't reuse the shared pages. A crashing frontend
 * clears tell[] and says nothing: it is served as if there were no pvfault.
 *
 * From Closed, the end that left comes back first. A backend that is Closed because
 * the frontend left stays so until it sees the frontend Initialising, and then
 * says InitWait. (After kexec it is the bus of the next kernel that says so, and
 * only if it finds both ends Closed.) A backend that left itself says InitWait.
 * A frontend that is Closed and sees InitWait connects, or stays Closed: it has
 * nothing to offer yet, or is switched off. A backend that finds the frontend
 * Closed in any other state than InitWait and Closed does as for Closing.
 *
 * Recovery: a backend that finds the frontend Connected or Reconfiguring when it
 * starts takes over from one that ended. It maps the same grants, binds the same
 * port (Xen has made it unbound), goes on behind prod with a new generation, and says
 * READY for the earlier tokens or, when it doesn't know them, READY for all. The
 * frontend notices nothing; its sleepers sleep on.
 */

#define XEN_PVFAULT_DEVICE			"pvfault"
#define XEN_PVFAULT_VERSION			1

#define XEN_PVFAULT_NODE_VERSIONS		"versions"
#define XEN_PVFAULT_NODE_MAX_RING_PAGE_ORDER	"max-ring-page-order"
#define XEN_PVFAULT_NODE_MAX_RANGES		"max-ranges"

#define XEN_PVFAULT_NODE_VERSION		"version"
#define XEN_PVFAULT_NODE_FRONT_REF		"front-ref"
#define XEN_PVFAULT_NODE_RING_PAGE_ORDER	"ring-page-order"
#define XEN_PVFAULT_NODE_RING_REF		"ring-ref"
#define XEN_PVFAULT_NODE_EVENT_CHANNEL		"event-channel"
#define XEN_PVFAULT_NODE_MAX_OUTSTANDING	"max-outstanding"
#define XEN_PVFAULT_NODE_OFFER			"offer"
#define XEN_PVFAULT_NODE_OFFER_SERIAL		"offer-serial"
#define XEN_PVFAULT_NODE_AGREED_SERIAL		"agreed-serial"
#define XEN_PVFAULT_NODE_FEATURE_CLEAR		"feature-clear"

#define XEN_PVFAULT_MAX_RING_PAGE_ORDER		4
#define XEN_PVFAULT_MAX_RANGES			64
#define XEN_PVFAULT_MAX_VCPUS			4032

/* The parts of a token, which is also the CR2 of its NOT_PRESENT. */
#define XEN_PVFAULT_SIGNATURE			0xd658U
#define XEN_PVFAULT_SIGNATURE_SHIFT		48
#define XEN_PVFAULT_GENERATION_SHIFT		32
#define XEN_PVFAULT_GENERATION_MAX		0x7fffU

/* Bits of tell[]; all others are 0. */
#define XEN_PVFAULT_TELL_USER			0x01
#define XEN_PVFAULT_TELL_KERNEL			0x02

/* As Xen's own headers have it, for compilers of all ages. */
#ifndef XEN_FLEX_ARRAY_DIM
#if defined(__STDC_VERSION__) && __STDC_VERSION__ >= 199901L
#define XEN_FLEX_ARRAY_DIM
#else
#define XEN_FLEX_ARRAY_DIM			1
#endif
#endif

/**
 * struct xen_pvfault_front - written by the frontend; the backend only reads it
 * @cons: index of the first entry not yet taken
 * @event: notify when prod reaches or passes this index
 * @clear_ip: the instruction that touches pages to be cleared next, or 0
 * @clear_base: RDI is so much more than the page's address then
 * @reserved: 0
 * @tell: for each vCPU, by its id in Xen, in which modes it may be notified
 */
struct xen_pvfault_front {
	uint32_t cons;
	uint32_t event;
	uint64_t clear_ip;
	uint64_t clear_base;
	uint8_t reserved[40];
	uint8_t tell[XEN_PVFAULT_MAX_VCPUS];
};

/**
 * struct xen_pvfault_ring - written by the backend; the frontend only reads it
 * @prod: index of the first entry not yet filled
 * @all: how many times READY for all was said
 * @reserved: 0
 * @entry: tokens; XEN_PVFAULT_RING_LENGTH() of them
 */
struct xen_pvfault_ring {
	uint32_t prod;
	uint32_t all;
	uint8_t reserved[56];
	uint64_t entry[XEN_FLEX_ARRAY_DIM];
};

/* Number of entries; a power of two that fits into 1 << @order pages. */
#define XEN_PVFAULT_RING_LENGTH(order)		(256U << (order))

#endif /* __XEN_PUBLIC_IO_PVFAULT_H__ */
