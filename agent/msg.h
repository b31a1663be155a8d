/* SPDX-License-Identifier: Apache-2.0 */
/*
 * msg.h - what parent, worker and resolver say to each other over SOCK_SEQPACKET.
 *
 * One packet is one message: a type, and a body whose length must be exactly what the type says (two types
 * have a variable tail with bounds). At most one descriptor comes with it, and only where the type allows one.
 * Everything else is -EBADMSG, and the receiver ends the conversation. The worker parses hostile bytes: the parent
 * trusts nothing that it sends beyond these checks. Not thread-safe.
 */
#ifndef HOSTTRAIL_MSG_H
#define HOSTTRAIL_MSG_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"
#include "guard.h"
#include "hostinfo.h"
#include "names.h"
#include "logins.h"
#include "probes.h"
#include "proto/frame.h"

enum msg_type {
	MSG_SETUP = 1,		/* parent -> worker: struct msg_setup */
	MSG_RING,		/* parent -> worker: struct msg_ring + descriptor */
	MSG_FEATURE,		/* parent -> worker: struct msg_feature */
	MSG_START,		/* parent -> worker: everything was sent */
	MSG_STOP,		/* parent -> worker: drain, write AgentStopped, exit */
	MSG_SIGN,		/* worker -> parent: a frame's header (bytes to be signed) */
	MSG_SIGNED,		/* parent -> worker: struct msg_signed */
	MSG_EXE,		/* worker -> parent: struct msg_exe; answered by MSG_EXE_FD */
	MSG_EXE_FD,		/* parent -> worker: struct msg_exe_fd, descriptor if ok */
	MSG_LOGIN,		/* worker -> parent: struct msg_login */
	MSG_LOGIN_IS,		/* parent -> worker: struct msg_login_is */
	MSG_EXE_PATH,		/* worker -> parent: struct msg_pid; path of its executable */
	MSG_EXE_PATH_IS,	/* parent -> worker: path bytes */
	MSG_NAME,		/* worker -> resolver: struct msg_name with the uid */
	MSG_NAME_IS,		/* resolver -> worker: struct msg_name */
	MSG_HASH,		/* worker -> resolver: struct ht_exe + descriptor */
	MSG_HASH_IS,		/* resolver -> worker: struct msg_hash_is */
	MSG_RESOLVER,		/* parent -> worker: a new resolver's socket */
	MSG_COUNT,		/* parent -> worker: struct msg_count */
	MSG_PROBER,		/* parent -> worker: struct msg_pid and the prober's socket */
	MSG_GUARD,		/* parent -> worker: struct msg_guard: this is ours */
	MSG_TAMPERED,		/* parent -> worker: struct msg_tampered */
	MSG_PROBE,		/* worker -> prober: struct msg_probe: make these calls */
	MSG_PROBED,		/* prober -> worker: struct msg_probe: they were made (to the parent, none: here I am) */
	MSG_SELECTORS,		/* parent -> worker: struct msg_selectors + the text; after MSG_START answered by MSG_SELECTED */
	MSG_SELECTED,		/* worker -> parent: struct msg_selected: they are in force */
	MSG_TLS_FILE,		/* parent -> planner: struct msg_tls_file and the file's descriptor */
	MSG_TLS_PLAN,		/* planner -> parent: struct msg_tls_plan, and struct msg_tls_site as many as it says */
	MSG_TLS_WANTED,		/* worker -> parent: struct msg_tls_wanted */
	MSG_TLS_LIBRARY,	/* worker -> parent: struct msg_tls_library: somebody mapped this to be executed */
	MSG_TLS_MAPPED,		/* worker -> parent: struct msg_pid; has it a TLS library? */
	MSG_TLS_MAPPED_IS,	/* parent -> worker: struct msg_pid with the answer, as tls_mapped() */
	MSG_APIS,		/* parent -> worker: struct msg_apis: read rule files of APIs anew */
	MSG_TLS_CACHE,		/* parent -> planner: struct msg_tls_file and the descriptor of a linker's cache */
	MSG_TLS_CACHED,		/* planner -> parent: struct msg_tls_cached, cut behind its last text */
	MSG__MAX,
};

#define MSG_BODY_MAX (16u * 1024)

struct msg_setup {
	struct hostinfo host;
	uint8_t stream[16];
	uint64_t made;
	uint64_t spool_bytes[CHAIN__MAX];
	uint32_t ncpu, ngroups;
	uint32_t ring_bytes[HT_CLASS__MAX];
	uint32_t adopted, log_level;
	uint32_t self_test, tls;
	int64_t pid;			/* the parent's */
	struct {			/* struct probes_left; its descriptors come as MSG_RING_LEFT */
		uint8_t stream[16];
		uint32_t ncpu, ngroups, counters, counters_each;
		uint32_t ring_bytes[HT_CLASS__MAX];
		uint32_t readable, pad;
	} left;
	char replaced[128], scope[160];
	char pinned[160];		/* what stays when it stops: a directory of pins, or "" */
	char spool_dir[PATH_MAX / 2], cursor[PATH_MAX / 2];
	char apis[PATH_MAX / 2];	/* rule files for APIs; "": none */
};

enum msg_ring_kind { MSG_RING_DATA, MSG_RING_COUNTERS, MSG_RING_SHARED, MSG_RING_STATUS_SOCKET, MSG_RING_LOCK,
		     MSG_RING_PRINCIPALS, MSG_RING_SETTLED };
#define MSG_RING_LEFT 16	/* with a kind: of the rings that were replaced */
struct msg_ring {
	uint32_t kind, class, group, pad;
};

struct msg_selectors {
	uint64_t from;			/* boot-time ns; after MSG_START the worker chooses */
	char source[PATH_MAX / 2];	/* ends with NUL */
};

struct msg_selected {
	uint64_t from;
};

struct msg_apis {
	char path[PATH_MAX / 2];	/* ends with NUL; "": there are none any more */
};

struct msg_feature {
	uint8_t on, required;
	char name[62], why[160];
};

struct msg_signed {
	uint8_t signature[64];
	int32_t error;			/* 0 or -errno */
	uint32_t pad;
};

struct msg_exe {
	struct ht_exe exe;
	uint64_t start;
	uint32_t pid, pad;
	char path[PATH_MAX];
};

struct msg_exe_fd {
	struct ht_exe exe;
	int32_t error;
	uint32_t pad;
};

struct msg_login {
	uint64_t start;
	uint32_t pid, session;
};

struct msg_login_is {
	uint32_t session;
	char address[LOGIN_ADDRESS_LEN];
};

struct msg_pid {
	uint32_t pid, pad;
};

struct msg_name {
	uint32_t uid;
	char name[NAME_MAX_LEN];
};

struct msg_hash_is {
	struct ht_exe exe;
	uint8_t sha256[32];
	uint32_t ok, pad;
};

struct msg_count {
	uint64_t restarts, refused;	/* of workers; reloads of event selectors */
	struct probes_miss missed[HT_PROGRAMS_MAX];
	uint32_t nmissed, pad;
};

struct msg_tampered {			/* texts end with NUL */
	char kind[16], target[256], what[96];
	uint32_t restored, pad;
};

struct msg_probe {
	uint32_t calls;			/* a bit each, in the order of selfcalls[] */
	uint32_t pad;
};

struct msg_tls_file {
	uint64_t id;
};

struct msg_tls_site {
	uint64_t offset;
	uint16_t func;
	uint8_t kind, insn;
	uint32_t pad;
};

struct msg_tls_plan {			/* texts end with NUL */
	uint64_t id;
	int32_t error;			/* 0 or -errno */
	uint32_t nsites;
	uint32_t uses_tls, pad;
	char stack[32], build_id[48], why[160];
};
#define MSG_TLS_SITES_MAX 512

struct msg_tls_cached {			/* paths of TLS libraries, each with its NUL */
	uint64_t id;
	uint32_t n, pad;		/* bytes of text */
	char text[8192];
};

struct msg_tls_wanted {
	uint64_t conn;
	struct ht_tls_wanted wanted;
};

struct msg_tls_library {		/* as struct tls_mapping */
	struct ht_exe exe;
	uint64_t at, end;
	uint32_t pid, parent, in_root, pad;
	char path[PATH_MAX];
};

struct msg {
	uint32_t type;
	uint32_t n;			/* bytes of body */
	int fd;				/* -1: none; the receiver owns it */
	union {
		struct msg_setup setup;
		struct msg_ring ring;
		struct msg_feature feature;
		struct msg_selectors selectors;
		struct msg_selected selected;
		struct msg_apis apis;
		struct msg_signed signature;
		struct msg_exe exe;
		struct msg_exe_fd exe_fd;
		struct msg_login login;
		struct msg_login_is login_is;
		struct msg_pid pid;
		struct msg_name name;
		struct ht_exe hash;
		struct msg_hash_is hash_is;
		struct msg_count count;
		struct msg_probe probe;
		struct msg_guard guard;
		struct msg_tampered tampered;
		struct msg_tls_file tls_file;
		struct {
			struct msg_tls_plan head;
			struct msg_tls_site site[MSG_TLS_SITES_MAX];
		} tls_plan;
		struct msg_tls_cached tls_cached;
		struct msg_tls_wanted tls_wanted;
		struct msg_tls_library tls_library;
		uint8_t bytes[MSG_BODY_MAX];
	} body;
};

/* Body length bounds of a type: 0, or -EINVAL for an unknown one. *ret_fd: 0 never, 1 always, 2 may. */
int msg_bounds(uint32_t type, uint32_t *ret_min, uint32_t *ret_max, int *ret_fd);
/* Sends n bytes of body. fd -1: none. 0 or -errno (-EAGAIN on a full socket that does not block). */
int msg_send(int sock, uint32_t type, const void *body, uint32_t n, int fd);
/* Next message. 1; 0 at the end of the conversation; -EAGAIN nothing there; -EBADMSG against the rules; -errno. */
int msg_recv(int sock, struct msg *m);
/* The check that msg_recv makes, on bytes as received. nfds: descriptors that came. */
int msg_check(const void *packet, size_t n, unsigned nfds);
/* A pair of connected sockets, close-on-exec. */
int msg_pair(int ret_sock[2]);

#endif
