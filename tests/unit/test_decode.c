/* SPDX-License-Identifier: Apache-2.0 */
/* test_decode.c - events as the probes send them, against the CloudTrail JSON that comes out. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <linux/magic.h>

#include "agent/decode.h"
#include "lib/cleanup.h"
#include "proto/recordread.h"
#include "proto/redact.h"
#include "tests/tap.h"
#include "tests/unit/eventmake.h"

static struct decoder *decoder;
static struct batch *batch;
static struct event ev;
static char text[1 << 20];

static const struct record_host host = { "4c1f0000-0000-4000-8000-000000000001", "m", "b", "h", "6.18", "0", "local", "000000000000" };

/* For the fuzzer's corpus: HT_DUMP=folder writes every event of these cases there. */
static void dump(void)
{
	static unsigned count;
	char path[4096];
	FILE *f;

	if (!getenv("HT_DUMP"))
		return;
	snprintf(path, sizeof(path), "%s/%s-%u", getenv("HT_DUMP"), calls_name(ev.c.call), count++);
	f = fopen(path, "wb");
	if (f) {
		fwrite(&ev, 1, ev.n, f);
		fclose(f);
	}
}

/* The event as one record's JSON; -errno of the decoder in *ret_r. */
static json_object *decoded(int *ret_r)
{
	struct record_identity id = { .process = { .pid = 4711 }, .type = IDENTITY_ROOT, .principal_id = { "p", 1 }, .arn_tail = { "user/root", 9 } };
	struct record_frame frame = { .first_time = 1000000000 };
	struct reader *r = NULL;
	struct buf out = { 0 };
	const char *why = NULL;
	const uint8_t *p;
	json_object *o;
	size_t n;

	if (!decoder && decoder_new(&decoder) < 0)
		return NULL;
	if (!batch && batch_new(&batch) < 0)
		return NULL;
	dump();
	batch_reset(batch, &host);
	*ret_r = decode_call(decoder, &ev.c, ev.n, batch, (uint32_t)batch_identity(batch, 1, &id));
	if (*ret_r < 0 || batch_finish(batch, &p, &n) < 0)
		return NULL;
	if (reader_open(p, n, &frame, &r, &why) < 0) {
		printf("# reader: %s\n", why);
		return NULL;
	}
	*ret_r = reader_json(r, 0, &out);
	snprintf(text, sizeof(text), "%s", buf_text(&out));
	reader_free(&r);
	buf_free(&out);
	o = json_tokener_parse(text);
	return o;
}

/* Value at a path of member names, as JSON text without blanks; "" if absent. */
static const char *at(json_object *o, const char *path)
{
	char name[128];

	while (o && *path) {
		size_t n = strcspn(path, "/");

		snprintf(name, sizeof(name), "%.*s", (int)n, path);
		path += n + (path[n] == '/');
		if (!json_object_object_get_ex(o, name, &o))
			return "";
		if (!o)
			return *path ? "" : "null";
	}
	return json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
}

#define REQ "requestParameters/"
#define RES "responseElements/"
#define ADD "additionalEventData/"
#define field(o, path, want) ok_str(at(o, path), want)
#define decode_into(o)                                \
	int r_ = 0;                                   \
	json_object *o = decoded(&r_);                \
	ok_int(r_, 0);                                \
	if (!o || tap_failed) {                       \
		printf("# %s\n", text);               \
		tap_failed = 1;                       \
		return;                               \
	}
#define done(o)                                       \
	do {                                          \
		if (tap_failed)                       \
			printf("# %s\n", text);       \
		json_object_put(o);                   \
	} while (0)

/* ---- opens ---- */

static void begin(const char *name, int64_t ret)
{
	event_begin(&ev, calls_lookup(name), ret);
}

static void opened_by_descriptor(void)
{
	begin("openat", 3);
	ev.c.args[0] = (uint32_t)AT_FDCWD;
	ev.c.args[2] = O_RDONLY | O_CLOEXEC;
	event_str(&ev, 1, "/etc/shadow");
	event_walk(&ev, HT_WALK_RET, HT_ARG_RET, "etc/shadow", walk_of(77, 0));
	decode_into(o);
	field(o, "eventName", "\"openat\"");
	field(o, "eventSource", "\"file.linux\"");
	field(o, "eventCategory", "\"Data\"");
	field(o, "readOnly", "true");
	field(o, REQ "path", "\"/etc/shadow\"");
	field(o, REQ "requestedPath", "");
	field(o, REQ "dirfd", "");
	field(o, REQ "mode", "");
	field(o, REQ "flags", "[\"O_RDONLY\",\"O_CLOEXEC\"]");
	field(o, RES "fd", "3");
	field(o, ADD "sources", "{\"path\":\"fdAtExit\"}");
	field(o, ADD "unverified", "");
	field(o, ADD "argumentChanged", "");
	field(o, ADD "mountId", "30");
	field(o, ADD "device", "\"8:1\"");
	field(o, ADD "inode", "77");
	field(o, ADD "abi", "");
	done(o);
}

static void opened_relative_and_created(void)
{
	begin("openat", 4);
	ev.c.args[0] = 9;
	ev.c.args[2] = O_WRONLY | O_CREAT | O_TRUNC;
	ev.c.args[3] = 0644;
	ev.c.h.flags = HT_EV_F_SHARED_FILES;
	event_str(&ev, 1, "./x//y");
	event_walk(&ev, HT_WALK_RET, HT_ARG_RET, "d/x/y", walk_of(77, 0));
	decode_into(o);
	field(o, "readOnly", "false");
	field(o, REQ "path", "\"/d/x/y\"");
	field(o, REQ "requestedPath", "\"./x//y\"");
	field(o, REQ "dirfd", "9");
	field(o, REQ "mode", "\"0644\"");
	field(o, REQ "flags", "[\"O_WRONLY\",\"O_CREAT\",\"O_TRUNC\"]");
	field(o, ADD "unverified", "[\"path\"]");
	done(o);
}

static void hooked_open_is_the_object(void)
{
	begin("openat", 3);
	ev.c.args[0] = (uint32_t)AT_FDCWD;
	ev.c.h.flags = HT_EV_F_SHARED_FILES;
	event_walk(&ev, HT_WALK_OBJECT, 1, "etc/shadow", walk_of(77, 0));
	event_str(&ev, 1, "s");
	event_walk(&ev, HT_WALK_RET, HT_ARG_RET, "etc/decoy", walk_of(78, 0));
	decode_into(o);
	field(o, REQ "path", "\"/etc/shadow\"");
	field(o, REQ "requestedPath", "\"s\"");
	field(o, ADD "sources", "");
	field(o, ADD "unverified", "");
	field(o, ADD "argumentChanged", "");
	field(o, ADD "inode", "77");
	done(o);
}

static void hooked_refused_open(void)
{
	begin("openat", -ENXIO);
	ev.c.args[0] = (uint32_t)AT_FDCWD;
	event_walk(&ev, HT_WALK_OBJECT, 1, "d/fifo", walk_of(77, 0));
	event_str(&ev, 1, "l");
	decode_into(o);
	field(o, REQ "path", "\"/d/fifo\"");
	field(o, ADD "sources", "");
	field(o, ADD "unverified", "");
	done(o);
}

/* Both names, in the order of the arguments; what is made has no inode; another last name was never asked for. */
static void hooked_names(void)
{
	begin("rename", 0);
	event_walk(&ev, HT_WALK_OBJECT, 0, "d/real", walk_of(77, 0));
	event_walk(&ev, HT_WALK_OBJECT, 1, "d/new", walk_of(0, 0));
	event_str(&ev, 0, "l/fake");
	event_str(&ev, 1, "l/new");
	decode_into(o);
	field(o, REQ "path", "\"/d/real\"");
	field(o, REQ "requestedPath", "\"l/fake\"");
	field(o, REQ "newPath", "\"/d/new\"");
	field(o, ADD "sources", "");
	field(o, ADD "unverified", "");
	field(o, ADD "argumentChanged", "true");
	field(o, ADD "inode", "77");
	done(o);
}

static void hooked_new_name(void)
{
	struct ht_walk none_yet = walk_of(0, HT_WALK_F_MOVED);

	none_yet.mode = 0;
	begin("mkdir", 0);
	event_walk(&ev, HT_WALK_OBJECT, 0, "d/new", none_yet);
	event_str(&ev, 0, "l/new/");
	decode_into(o);
	field(o, REQ "path", "\"/d/new\"");
	field(o, ADD "unverified", "[\"path\"]");
	field(o, ADD "argumentChanged", "");
	field(o, ADD "device", "\"8:1\"");
	field(o, ADD "inode", "");
	done(o);
}

static void opened(const char *asked, uint64_t flags, const char *walked, unsigned walk_flags)
{
	begin("open", 3);
	ev.c.args[1] = flags;
	event_str(&ev, 0, asked);
	event_walk(&ev, HT_WALK_RET, HT_ARG_RET, walked, walk_of(77, walk_flags));
}

static void contradiction_only_where_it_can_be_told(void)
{
	static const struct {
		const char *asked, *walked;
		uint64_t flags;
		unsigned walk_flags;
		bool changed;
	} v[] = {
		{ "/a/link", "b/target", O_RDONLY, 0, false },			/* may have been a link */
		{ "/a/b", "a/c", O_RDONLY | O_NOFOLLOW, 0, true },
		{ "/a/b", "z/b", O_RDONLY | O_NOFOLLOW, 0, false },		/* a directory on the way may be a link */
		{ "/a/b", "a/c", O_WRONLY | O_CREAT | O_EXCL, 0, true },
		{ "/a/b/", "a/b", O_RDONLY | O_NOFOLLOW, 0, false },
		{ "/a/..", "a2", O_RDONLY | O_NOFOLLOW, 0, false },
		{ "/a/.", "b", O_RDONLY | O_NOFOLLOW, 0, false },
		{ "/", "", O_RDONLY | O_NOFOLLOW, 0, false },
		{ "/a/b", "a/c", O_RDONLY | O_NOFOLLOW, HT_WALK_F_DELETED, false },
		{ "/a/b", "c", O_RDONLY | O_NOFOLLOW, HT_WALK_F_TRUNCATED, false },
		{ "/a", "a/#12", O_RDWR | O_TMPFILE | O_NOFOLLOW, 0, false },
		{ "/mnt/FILE", "mnt/file", O_RDONLY | O_NOFOLLOW, 0, false },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(v); i++) {
		opened(v[i].asked, v[i].flags, v[i].walked, v[i].walk_flags);
		decode_into(o);
		if (!!*at(o, ADD "argumentChanged") != v[i].changed)
			printf("# case %u\n", i), tap_failed = 1;
		if (v[i].changed)
			field(o, REQ "requestedPath", "\"/a/b\"");
		done(o);
	}
}

static void what_kind_of_object(void)
{
	struct ht_walk pipe = { .ino = 5, .s_magic = PIPEFS_MAGIC, .flags = HT_WALK_F_PSEUDO };
	struct ht_walk anon = { .ino = 5, .s_magic = ANON_INODE_FS_MAGIC, .flags = HT_WALK_F_PSEUDO };
	struct ht_walk namespace = { .ino = 5, .s_magic = NSFS_MAGIC, .ncomp = 1, .flags = HT_WALK_F_PSEUDO };
	uint8_t nameless[sizeof(namespace) + 2] = { [sizeof(namespace)] = '/' };
	struct ht_walk memfd = { .ino = 5, .s_magic = TMPFS_MAGIC, .flags = HT_WALK_F_PSEUDO | HT_WALK_F_DELETED };

	memcpy(nameless, &namespace, sizeof(namespace));
	opened("/tmp/x", O_RDONLY, "tmp/x", HT_WALK_F_DELETED);
	decode_into(a);
	field(a, ADD "pathKind", "\"deleted\"");
	json_object_put(a);

	begin("open", 3);
	event_str(&ev, 0, "/proc/self/fd/0");
	event_walk(&ev, HT_WALK_RET, HT_ARG_RET, "", pipe);
	json_object *b = decoded(&r_);
	field(b, REQ "path", "\"pipe:[5]\"");
	field(b, REQ "requestedPath", "\"/proc/self/fd/0\"");
	field(b, ADD "pathKind", "\"pipe\"");
	json_object_put(b);

	begin("ftruncate", 0);
	event_walk(&ev, HT_WALK_FD, 0, "memfd:secret", memfd);
	json_object *c = decoded(&r_);
	field(c, REQ "path", "\"/memfd:secret\"");
	field(c, ADD "pathKind", "\"memfd\"");
	field(c, ADD "sources", "");
	json_object_put(c);

	begin("fchmod", -EINVAL);
	event_walk(&ev, HT_WALK_FD, 0, "[eventpoll]", anon);
	json_object *d = decoded(&r_);
	field(d, REQ "path", "\"anon_inode:[eventpoll]\"");
	field(d, ADD "pathKind", "\"anon_inode\"");
	field(d, "errorCode", "\"EINVAL\"");
	field(d, "responseElements", "null");
	json_object_put(d);

	begin("setns", 0);
	event_field(&ev, HT_FIELD_WALK, 0, HT_WALK_FD, 0, nameless, sizeof(nameless));
	json_object *e = decoded(&r_);
	field(e, REQ "path", "\"ns:[5]\"");
	field(e, ADD "pathKind", "\"namespace\"");
	done(e);
}

static void entered_directory(void)
{
	begin("chdir", 0);
	event_str(&ev, 0, "d");
	event_walk(&ev, HT_WALK_BASE, 0, "a/d", walk_of(77, 0));
	decode_into(a);
	field(a, REQ "path", "\"/a/d\"");
	field(a, REQ "requestedPath", "\"d\"");
	field(a, ADD "sources", "{\"path\":\"fdAtExit\"}");
	field(a, ADD "inode", "77");
	json_object_put(a);

	begin("chdir", -ENOENT);
	event_str(&ev, 0, "d");
	event_walk(&ev, HT_WALK_BASE, 0, "a", walk_of(77, 0));
	json_object *b = decoded(&r_);
	field(b, REQ "path", "\"/a/d\"");
	field(b, ADD "sources", "{\"path\":\"user\"}");
	done(b);
}

static void truncated_walk_looks_it(void)
{
	opened("/deep/x", O_RDONLY, "deep/x", HT_WALK_F_TRUNCATED);
	decode_into(o);
	field(o, REQ "path", "\".../deep/x\"");
	field(o, ADD "pathTruncated", "true");
	done(o);
}

/* Renamed each time that the kernel's side looked: a path, but nobody vouches for it. */
static void walk_that_never_held_is_unverified(void)
{
	opened("/a/x", O_RDONLY, "a/x", HT_WALK_F_MOVED);
	decode_into(o);
	field(o, REQ "path", "\"/a/x\"");
	field(o, ADD "unverified", "[\"path\"]");
	done(o);

	begin("ftruncate", 0);
	event_walk(&ev, HT_WALK_FD, 0, "x", walk_of(1, HT_WALK_F_MOVED));
	json_object *d = decoded(&r_);
	field(d, ADD "unverified", "[\"path\"]");
	done(d);
}

static void failed_open_joins(void)
{
	begin("openat", -ENOENT);
	ev.c.args[0] = (uint32_t)AT_FDCWD;
	event_str(&ev, 1, "a/./../b//c/");
	event_walk(&ev, HT_WALK_BASE, 1, "home/u", walk_of(1, 0));
	decode_into(o);
	field(o, REQ "path", "\"/home/u/a/../b/c\"");
	field(o, REQ "requestedPath", "\"a/./../b//c/\"");
	field(o, ADD "sources", "{\"path\":\"user\"}");
	field(o, ADD "unverified", "[\"path\"]");
	field(o, ADD "inode", "");
	field(o, "errorCode", "\"ENOENT\"");
	done(o);
}

static void lost_descriptor(void)
{
	begin("openat", 3);
	ev.c.args[0] = (uint32_t)AT_FDCWD;
	event_str(&ev, 1, "/etc//passwd");
	event_walk(&ev, HT_WALK_RET, HT_ARG_RET, "", walk_of(0, HT_WALK_F_NO_FILE));
	decode_into(o);
	field(o, REQ "path", "\"/etc/passwd\"");
	field(o, ADD "sources", "{\"path\":\"user\"}");
	field(o, ADD "unverified", "[\"path\"]");
	done(o);
}

static void openat2_with_how(void)
{
	uint64_t how[3] = { O_RDWR | O_CREAT | O_NOFOLLOW, 0600, 0x04 | 0x08 };

	begin("openat2", -EXDEV);
	ev.c.args[0] = (uint32_t)AT_FDCWD;
	ev.c.args[2] = 0x1000;
	ev.c.args[3] = sizeof(how);
	event_str(&ev, 1, "../x");
	event_walk(&ev, HT_WALK_BASE, 1, "srv", walk_of(1, 0));
	event_field(&ev, HT_FIELD_MEM, 2, 0, 0, how, sizeof(how));
	decode_into(o);
	field(o, REQ "path", "\"/srv/../x\"");
	field(o, REQ "flags", "[\"O_RDWR\",\"O_CREAT\",\"O_NOFOLLOW\"]");
	field(o, REQ "mode", "\"0600\"");
	field(o, REQ "resolve", "[\"RESOLVE_NO_SYMLINKS\",\"RESOLVE_BENEATH\"]");
	done(o);
}

/* ---- user strings ---- */

static void changed_between_reads(void)
{
	begin("unlink", 0);
	event_str(&ev, 0, "/tmp/after");
	event_field(&ev, HT_FIELD_STR_ENTER, 0, 0, 0, "/tmp/before", 11);
	decode_into(o);
	field(o, REQ "path", "\"/tmp/before\"");
	field(o, REQ "requestedPath", "\"/tmp/after\"");
	field(o, REQ "requestedPathAtEnter", "\"/tmp/before\"");
	field(o, ADD "argumentChanged", "true");
	field(o, ADD "unverified", "[\"path\"]");
	field(o, "responseElements", "null");
	done(o);
}

static void two_paths(void)
{
	begin("renameat2", 0);
	ev.c.args[0] = 5;
	ev.c.args[2] = (uint32_t)AT_FDCWD;
	ev.c.args[4] = 1;
	event_str(&ev, 1, "a");
	event_walk(&ev, HT_WALK_BASE, 1, "from", walk_of(1, 0));
	event_str(&ev, 3, "b");
	event_walk(&ev, HT_WALK_BASE, 3, "to", walk_of(2, 0));
	decode_into(o);
	field(o, REQ "path", "\"/from/a\"");
	field(o, REQ "newPath", "\"/to/b\"");
	field(o, REQ "requestedNewPath", "\"b\"");
	field(o, REQ "flags", "[\"RENAME_NOREPLACE\"]");
	field(o, ADD "sources", "{\"path\":\"user\",\"newPath\":\"user\"}");
	field(o, ADD "unverified", "[\"path\",\"newPath\"]");
	done(o);
}

static void chroot_paths(void)
{
	struct ht_walk inside = walk_of(1, HT_WALK_F_IN_ROOT);

	begin("mkdir", 0);
	ev.c.args[1] = 0755;
	event_str(&ev, 0, "/x");
	event_walk(&ev, HT_WALK_ROOT, 0, "jail", walk_of(1, 0));
	decode_into(a);
	field(a, REQ "path", "\"/jail/x\"");
	field(a, REQ "mode", "\"0755\"");
	field(a, ADD "pathInRoot", "\"/x\"");
	json_object_put(a);

	begin("mkdir", 0);
	event_str(&ev, 0, "x");
	inside.root_at = 1;
	event_walk(&ev, HT_WALK_BASE, 0, "jail/home", inside);
	json_object *b = decoded(&r_);
	field(b, REQ "path", "\"/jail/home/x\"");
	field(b, ADD "pathInRoot", "\"/home/x\"");
	json_object_put(b);

	begin("open", 3);
	event_str(&ev, 0, "/home/x");
	inside.root_at = 2;
	event_walk(&ev, HT_WALK_RET, HT_ARG_RET, "jail/home/x", inside);
	json_object *c = decoded(&r_);
	field(c, REQ "path", "\"/jail/home/x\"");
	field(c, ADD "pathInRoot", "\"/home/x\"");
	done(c);
}

static void empty_path_is_the_descriptor(void)
{
	begin("fchownat", 0);
	ev.c.args[0] = 6;
	ev.c.args[2] = 1000;
	ev.c.args[3] = UINT32_MAX;
	ev.c.args[4] = 0x1000;
	event_str(&ev, 1, "");
	event_walk(&ev, HT_WALK_BASE, 1, "srv/data", walk_of(42, 0));
	decode_into(o);
	field(o, REQ "path", "\"/srv/data\"");
	field(o, REQ "requestedPath", "\"\"");
	field(o, REQ "owner", "1000");
	field(o, REQ "group", "-1");
	field(o, REQ "flags", "[\"AT_EMPTY_PATH\"]");
	field(o, ADD "sources", "{\"path\":\"user\"}");	/* another string could have stood there when the kernel copied it */
	field(o, ADD "unverified", "[\"path\"]");
	field(o, ADD "inode", "42");
	done(o);
}

/* Of a descriptor without a string: in doubt only where others could exchange it. */
static void named_by_descriptor(const char *call, uint8_t role, unsigned arg, uint16_t flags, const char *unverified)
{
	begin(call, 0);
	ev.c.h.flags = flags;
	ev.c.args[0] = 6;
	ev.c.args[1] = 0;
	event_walk(&ev, role, arg, "srv/data", walk_of(42, 0));
	decode_into(o);
	field(o, REQ "path", "\"/srv/data\"");
	field(o, ADD "sources", "");
	field(o, ADD "unverified", unverified);
	done(o);
}

static void descriptors_that_others_have(void)
{
	named_by_descriptor("utimensat", HT_WALK_BASE, 1, 0, "");
	named_by_descriptor("utimensat", HT_WALK_BASE, 1, HT_EV_F_SHARED_FILES, "[\"path\"]");
	named_by_descriptor("fchmod", HT_WALK_FD, 0, 0, "");
	named_by_descriptor("fchmod", HT_WALK_FD, 0, HT_EV_F_SHARED_FILES, "[\"path\"]");
}

static void unreadable_and_bytes(void)
{
	begin("rmdir", -EFAULT);
	ev.c.args[0] = 1;
	event_field(&ev, HT_FIELD_STR, 0, 0, HT_FIELD_F_FAULT, NULL, 0);
	decode_into(a);
	field(a, REQ "path", "");
	field(a, ADD "unreadable", "[\"path\"]");
	field(a, ADD "unverified", "");
	json_object_put(a);

	begin("rmdir", 0);
	event_str(&ev, 0, "/tmp/\xff\n\"x");
	json_object *b = decoded(&r_);
	ok(b && strstr(text, "/tmp/") && strstr(text, "\\n\\\"x"));
	done(b);
}

static void permissions(void)
{
	begin("fchmodat", 0);
	ev.c.args[0] = (uint32_t)AT_FDCWD;
	ev.c.args[2] = 04755;
	event_str(&ev, 1, "/bin/su");
	decode_into(a);
	field(a, "eventCategory", "\"Management\"");
	field(a, REQ "mode", "\"04755\"");
	json_object_put(a);

	begin("setxattr", 0);
	event_str(&ev, 0, "/bin/x");
	event_str(&ev, 1, "security.capability");
	json_object *b = decoded(&r_);
	field(b, "eventCategory", "\"Management\"");
	field(b, REQ "name", "\"security.capability\"");
	json_object_put(b);

	begin("setxattr", 0);
	event_str(&ev, 0, "/bin/x");
	event_str(&ev, 1, "user.note");
	json_object *c = decoded(&r_);
	field(c, "eventCategory", "\"Data\"");
	done(c);
}

static void times_and_nodes(void)
{
	int64_t times[4] = { 1795342530, 5, 0, (1 << 30) - 1 };

	begin("utimensat", 0);
	ev.c.args[0] = (uint32_t)AT_FDCWD;
	ev.c.args[2] = 0x1000;
	event_str(&ev, 1, "/f");
	event_field(&ev, HT_FIELD_MEM, 2, 0, 0, times, sizeof(times));
	decode_into(a);
	field(a, REQ "accessTime", "\"1795342530.000000005\"");
	field(a, REQ "modificationTime", "\"UTIME_NOW\"");
	json_object_put(a);

	times[0] = times[1] = -1;
	times[3] = 1000000000;
	begin("utimensat", -EINVAL);
	event_field(&ev, HT_FIELD_MEM, 2, 0, 0, times, sizeof(times));
	json_object *c = decoded(&r_);
	field(c, REQ "accessTime", "\"-1+-1n\"");
	field(c, REQ "modificationTime", "\"0+1000000000n\"");
	json_object_put(c);

	begin("mknod", 0);
	ev.c.args[1] = 020600;
	ev.c.args[2] = 0x103;
	event_str(&ev, 0, "/dev/n");
	json_object *b = decoded(&r_);
	field(b, REQ "fileType", "\"S_IFCHR\"");
	field(b, REQ "mode", "\"0600\"");
	field(b, REQ "dev", "\"1:3\"");
	done(b);
}

/* What fcntl and ioctl point to is of many sizes: the largest that could be read counts. */
static void arguments_by_command(void)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_END, .l_start = -3, .l_len = 3, .l_pid = 7 };
	struct { int16_t type, whence; int32_t start, length, pid; } l32 = { F_RDLCK, SEEK_SET, -4, 5, 8 };

	begin("fcntl", 0);
	ev.c.args[1] = F_SETLK;
	ev.c.args[2] = 0x1000;
	event_field(&ev, HT_FIELD_MEM, 2, 0, HT_FIELD_F_FAULT, NULL, 0);
	event_field(&ev, HT_FIELD_MEM, 2, 0, 0, &l, sizeof(l));
	decode_into(a);
	field(a, REQ "lock", "{\"type\":\"F_WRLCK\",\"whence\":\"SEEK_END\",\"start\":-3,\"length\":3}");
	field(a, REQ "argument", "");
	field(a, ADD "unreadable", "");
	json_object_put(a);

	begin("fcntl64", 0);
	ev.c.h.abi = HT_ABI_COMPAT;
	ev.c.args[1] = F_GETLK;
	ev.c.args[2] = 0x1000;
	event_field(&ev, HT_FIELD_MEM, 2, 0, 0, &l32, sizeof(l32));
	json_object *b = decoded(&r_);
	field(b, REQ "lock", "");
	field(b, RES "lock", "{\"type\":\"F_RDLCK\",\"whence\":\"SEEK_SET\",\"start\":-4,\"length\":5,\"pid\":8}");
	json_object_put(b);

	begin("fcntl", 0);
	ev.c.args[1] = F_GETFL;
	ev.c.args[2] = 0x1000;
	json_object *c = decoded(&r_);
	field(c, "requestParameters", "{\"fd\":0,\"command\":\"F_GETFL\"}");
	json_object_put(c);

	begin("ioctl", -ENOTTY);
	ev.c.args[1] = 0xc0de4711;
	ev.c.args[2] = 0x1000;
	json_object *d = decoded(&r_);
	field(d, "requestParameters", "{\"fd\":0,\"request\":\"0xc0de4711\",\"argument\":\"0x1000\"}");
	json_object_put(d);

	begin("ioctl", -EFAULT);
	ev.c.args[1] = 0x5412;	/* TIOCSTI */
	ev.c.args[2] = 0x1000;
	event_field(&ev, HT_FIELD_MEM, 2, 0, HT_FIELD_F_FAULT, NULL, 0);
	json_object *e = decoded(&r_);
	field(e, REQ "character", "");
	field(e, ADD "unreadable", "[\"argument\"]");
	done(e);
}

/* ---- exec ---- */

static void event_argv(unsigned arg, const char *args, size_t n, uint64_t total, unsigned flags)
{
	uint8_t buf[8 + HT_ARGV_MAX];

	memcpy(buf, &total, 8);
	memcpy(buf + 8, args, n);
	event_field(&ev, HT_FIELD_ARGV, arg, 0, flags, buf, n + 8);
}

static void executed(void)
{
	static const char args[] = "mysql\0-psecret\0db";
	struct exec_view v;

	begin("execve", 0);
	ev.c.h.flags = HT_EV_F_EXEC;
	event_field(&ev, HT_FIELD_KSTR, 0, 0, 0, "./run.sh", 8);
	event_field(&ev, HT_FIELD_KSTR, 1, 0, 0, "/bin/sh", 7);
	event_walk(&ev, HT_WALK_EXE, HT_ARG_TASK, "usr/bin/dash", walk_of(9, 0));
	event_walk(&ev, HT_WALK_CWD, HT_ARG_TASK, "root", walk_of(1, 0));
	event_argv(HT_ARG_TASK, args, sizeof(args), sizeof(args), 0);
	decode_into(o);
	field(o, "eventSource", "\"process.linux\"");
	field(o, "eventCategory", "\"Management\"");
	field(o, REQ "path", "\"/usr/bin/dash\"");
	field(o, REQ "requestedPath", "\"./run.sh\"");
	field(o, REQ "interpreter", "\"/bin/sh\"");
	field(o, REQ "argv", "[\"mysql\",\"-p" REDACT_HIDDEN "\",\"db\"]");
	field(o, REQ "argvCut", "");
	field(o, ADD "cwd", "\"/root\"");
	field(o, ADD "sources", "");
	field(o, ADD "inode", "9");
	field(o, "responseElements", "null");
	done(o);
	ok_int(decode_exec(decoder, &ev.c, ev.n, &v), 0);
	ok(v.executable.n == 13 && !memcmp(v.executable.p, "/usr/bin/dash", 13));
	ok(v.cwd.n == 5 && !memcmp(v.cwd.p, "/root", 5));
	ok(v.argv_len == sizeof(args) && !memcmp(v.argv, args, sizeof(args)));
}

static void exec_refused(void)
{
	begin("execve", -EACCES);
	event_str(&ev, 0, "./x");
	event_walk(&ev, HT_WALK_BASE, 0, "tmp", walk_of(1, 0));
	event_argv(1, "./x\0", 4, 4, 0);
	decode_into(o);
	field(o, REQ "path", "\"/tmp/x\"");
	field(o, REQ "requestedPath", "\"./x\"");
	field(o, REQ "argv", "[\"./x\"]");
	field(o, ADD "sources", "{\"path\":\"user\"}");
	field(o, "errorCode", "\"EACCES\"");
	done(o);
}

/* One argument longer than what the probes carry: its beginning, and what follows after the one behind it. */
static void argv_with_a_gap(void)
{
	static char args[20000];

	memset(args, 'x', sizeof(args));
	memcpy(args, "sh\0-c", 6);
	memcpy(args + sizeof(args) - 15, "\0dropped\0shown", 15);
	begin("execve", 0);
	ev.c.h.flags = HT_EV_F_EXEC;
	event_argv(HT_ARG_TASK, args, sizeof(args), 200000, HT_FIELD_F_CUT);
	decode_into(a);
	ok(strstr(at(a, REQ "argv"), "[\"sh\",\"-c\",\"xxx") && strstr(at(a, REQ "argv"), "xxx[...]\",\"shown\"]"));
	ok_int(strlen(at(a, REQ "argv")), strlen("['sh','-c','[...]','shown']") + 1024);
	field(a, REQ "argvCut", "{\"omitted\":true,\"originalSize\":200000}");
	json_object_put(a);

	/* just what fits: whole, however it is counted */
	memset(args, 'x', sizeof(args));
	begin("execve", 0);
	ev.c.h.flags = HT_EV_F_EXEC;
	event_argv(HT_ARG_TASK, args, sizeof(args), sizeof(args), 0);
	json_object *b = decoded(&r_);
	field(b, REQ "argvCut", "");
	ok_int(strlen(at(b, REQ "argv")), sizeof(args) + 4);
	done(b);
}

static void long_argv(void)
{
	static char args[HT_ARGV_MAX];
	size_t n = sizeof(args) - 8;

	memset(args, 1, n);
	for (size_t i = 0; i < n; i += 100)
		args[i] = 0;
	begin("execve", 0);
	ev.c.h.flags = HT_EV_F_EXEC;
	event_argv(HT_ARG_TASK, args, n, n, 0);
	decode_into(a);
	field(a, REQ "argvCut/omitted", "true");
	field(a, REQ "argvCut/originalSize", "98296");
	ok_int(strlen(at(a, REQ "argvCut/sha256")), 66);
	ok(strlen(text) < 100 * 1024 && strstr(text, "[...]"));
	json_object_put(a);

	begin("execve", 0);
	ev.c.h.flags = HT_EV_F_EXEC;
	event_argv(HT_ARG_TASK, "a\0b\0cd" "y\0-p\0z", 12, 1 << 20, HT_FIELD_F_CUT);	/* both ends: "y" may have ended "--password" */
	json_object *b = decoded(&r_);
	field(b, REQ "argv", "[\"a\",\"b\",\"[...]\",\"z\"]");
	field(b, REQ "argvCut", "{\"omitted\":true,\"originalSize\":1048576}");
	json_object_put(b);

	memset(args, 1, n);		/* one argument, too long alone, behind a hidden one */
	memcpy(args, "--password=x", 13);
	begin("execve", 0);
	ev.c.h.flags = HT_EV_F_EXEC;
	event_argv(HT_ARG_TASK, args, n, n, 0);
	json_object *c = decoded(&r_);
	field(c, REQ "argvCut", "{\"omitted\":true}");
	ok(strlen(text) < 100 * 1024);
	done(c);
}

/* ---- network ---- */

static void event_sock(unsigned arg, unsigned family, const char *from, unsigned sport, const char *to, unsigned dport)
{
	struct ht_sock k = { .family = (uint16_t)family, .type = SOCK_STREAM, .sport = (uint16_t)sport, .dport = (uint16_t)dport, .ino = 99 };

	if (family != AF_UNIX) {
		inet_pton((int)family, from, k.saddr);
		inet_pton((int)family, to, k.daddr);
	}
	event_field(&ev, HT_FIELD_SOCK, arg, 0, 0, &k, sizeof(k));
}

static void event_inet(unsigned arg, const char *ip, unsigned port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	inet_pton(AF_INET, ip, &in.sin_addr);
	event_field(&ev, HT_FIELD_SOCKADDR, arg, 0, 0, &in, sizeof(in));
	ev.c.args[arg] = 0x1000;
}

static void connects(void)
{
	begin("connect", 0);
	ev.c.args[0] = 5;
	event_inet(1, "192.0.2.1", 443);
	event_sock(0, AF_INET, "10.0.0.2", 51000, "192.0.2.1", 443);
	decode_into(a);
	field(a, "eventCategory", "\"NetworkActivity\"");
	field(a, REQ "address", "{\"family\":\"AF_INET\",\"address\":\"192.0.2.1\",\"port\":443}");
	field(a, REQ "requestedAddress", "");
	field(a, ADD "sources", "");
	field(a, ADD "local", "{\"address\":\"10.0.0.2\",\"port\":51000}");
	json_object_put(a);

	begin("connect", 0);
	event_inet(1, "192.0.2.9", 443);
	event_sock(0, AF_INET, "10.0.0.2", 51000, "192.0.2.1", 443);
	json_object *b = decoded(&r_);
	field(b, REQ "address/address", "\"192.0.2.1\"");
	field(b, REQ "requestedAddress/address", "\"192.0.2.9\"");
	field(b, ADD "argumentChanged", "true");
	json_object_put(b);

	begin("connect", -ECONNREFUSED);
	event_inet(1, "192.0.2.9", 1);
	event_sock(0, AF_INET, "10.0.0.2", 51000, "0.0.0.0", 0);
	json_object *c = decoded(&r_);
	field(c, REQ "address", "{\"family\":\"AF_INET\",\"address\":\"192.0.2.9\",\"port\":1}");
	field(c, ADD "sources", "{\"address\":\"user\"}");
	field(c, ADD "unverified", "[\"address\"]");
	json_object_put(c);

	begin("getpeername", 0);
	event_inet(1, "192.0.2.9", 1);
	event_sock(0, AF_INET, "10.0.0.2", 51000, "192.0.2.1", 443);
	json_object *e = decoded(&r_);
	field(e, REQ "address", "{\"family\":\"AF_INET\",\"address\":\"192.0.2.1\",\"port\":443}");
	field(e, ADD "sources", "");
	json_object_put(e);

	begin("getpeername", -ENOTCONN);	/* what lay in the buffer before is nobody's address */
	event_inet(1, "192.0.2.9", 1);
	json_object *f = decoded(&r_);
	field(f, REQ "address", "");
	field(f, ADD "unverified", "");
	done(f);
}

static void unix_and_others(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "/run/x.sock" };
	struct sockaddr_un abstract = { .sun_family = AF_UNIX, .sun_path = "\0abs" };
	uint8_t nl[12] = { AF_NETLINK, 0, 0, 0, 0x10, 0, 0, 0, 3, 0, 0, 0 };

	begin("connect", 0);
	event_field(&ev, HT_FIELD_SOCKADDR, 1, 0, 0, &un, sizeof(un));
	event_sock(0, AF_UNIX, "", 0, "", 0);
	decode_into(a);
	field(a, REQ "address", "{\"family\":\"AF_UNIX\",\"path\":\"/run/x.sock\"}");
	field(a, ADD "unverified", "[\"address\"]");
	ok(strstr(text, "Linux::Socket"));
	json_object_put(a);

	begin("bind", 0);
	event_field(&ev, HT_FIELD_SOCKADDR, 1, 0, 0, &abstract, 2 + 4);
	json_object *b = decoded(&r_);
	field(b, REQ "address", "{\"family\":\"AF_UNIX\",\"path\":\"@abs\"}");
	json_object_put(b);

	begin("bind", 0);
	event_field(&ev, HT_FIELD_SOCKADDR, 1, 0, 0, nl, sizeof(nl));
	json_object *c = decoded(&r_);
	field(c, REQ "address", "{\"family\":\"AF_NETLINK\",\"pid\":16,\"groups\":\"0x3\"}");
	json_object_put(c);

	begin("socket", 3);
	ev.c.args[0] = AF_INET6;
	ev.c.args[1] = SOCK_DGRAM | SOCK_CLOEXEC;
	ev.c.args[2] = 17;
	json_object *d = decoded(&r_);
	field(d, "requestParameters", "{\"family\":\"AF_INET6\",\"type\":[\"SOCK_DGRAM\",\"SOCK_CLOEXEC\"],\"protocol\":\"IPPROTO_UDP\"}");
	done(d);
}

static void bound_and_accepted(void)
{
	begin("bind", 0);
	event_inet(1, "127.0.0.1", 0);
	event_sock(0, AF_INET, "127.0.0.1", 40123, "0.0.0.0", 0);
	decode_into(a);
	field(a, REQ "address", "{\"family\":\"AF_INET\",\"address\":\"127.0.0.1\",\"port\":40123}");
	field(a, REQ "requestedAddress/port", "0");
	field(a, ADD "argumentChanged", "");
	json_object_put(a);

	begin("accept4", 7);
	ev.c.args[0] = 3;
	event_sock(0, AF_INET6, "::", 80, "::", 0);
	event_sock(HT_ARG_RET, AF_INET6, "::1", 80, "2001:db8::7", 50000);
	json_object *b = decoded(&r_);
	field(b, REQ "local/port", "80");
	field(b, RES "fd", "7");
	field(b, RES "address", "{\"family\":\"AF_INET6\",\"address\":\"2001:db8::7\",\"port\":50000}");
	field(b, "sourceIPAddress", "\"2001:db8::7\"");
	done(b);
}

/* ---- credentials, processes, kernel ---- */

static void credentials(void)
{
	uint32_t gids[] = { 0, 4, 1000 }, data[6] = { 1u << 21, 1u << 21 | 1, 0, 1u << 7, 0, 0 };
	uint32_t header[2] = { 0x20080522, 0 };

	begin("setresuid", -EPERM);
	ev.c.args[0] = UINT32_MAX;
	ev.c.args[1] = 0;
	ev.c.args[2] = 1000;
	decode_into(a);
	field(a, "requestParameters", "{\"ruid\":-1,\"euid\":0,\"suid\":1000}");
	field(a, "errorCode", "\"EPERM\"");
	json_object_put(a);

	begin("setgroups", 0);
	ev.c.args[0] = 3;
	ev.c.args[1] = 0x1000;
	event_field(&ev, HT_FIELD_MEM, 1, 0, 0, gids, sizeof(gids));
	json_object *b = decoded(&r_);
	field(b, "requestParameters", "{\"count\":3,\"groups\":[0,4,1000]}");
	json_object_put(b);

	begin("capset", 0);
	event_field(&ev, HT_FIELD_MEM, 0, 0, 0, header, sizeof(header));
	event_field(&ev, HT_FIELD_MEM, 1, 0, 0, data, sizeof(data));
	json_object *c = decoded(&r_);
	field(c, REQ "effective", "[\"CAP_SYS_ADMIN\",\"CAP_BPF\"]");
	field(c, REQ "permitted", "[\"CAP_CHOWN\",\"CAP_SYS_ADMIN\"]");
	field(c, REQ "inheritable", "[]");
	done(c);
}

static void processes(void)
{
	uint64_t clone_args[11] = { 0x100 | 0x20000000, 0, 0, 0, 17 };

	begin("clone3", 4712);
	ev.c.args[0] = 0x1000;
	event_field(&ev, HT_FIELD_MEM, 0, 0, 0, clone_args, sizeof(clone_args));
	decode_into(a);
	field(a, REQ "flags", "[\"CLONE_VM\",\"CLONE_NEWPID\"]");
	field(a, REQ "exitSignal", "\"SIGCHLD\"");
	field(a, RES "pid", "4712");
	json_object_put(a);

	begin("kill", 0);
	ev.c.args[0] = (uint32_t)-1;
	ev.c.args[1] = 9;
	json_object *b = decoded(&r_);
	field(b, "requestParameters", "{\"pid\":-1,\"signal\":\"SIGKILL\"}");
	field(b, "readOnly", "false");
	json_object_put(b);

	begin("kill", -ESRCH);
	ev.c.args[0] = 1;
	json_object *c = decoded(&r_);
	field(c, "readOnly", "true");
	json_object_put(c);

	begin("prctl", 0);
	ev.c.args[0] = 15;
	ev.c.args[2] = 0xdead;	/* left over in the register */
	event_str(&ev, 1, "worker");
	json_object *d = decoded(&r_);
	field(d, REQ "option", "\"PR_SET_NAME\"");
	field(d, REQ "name", "\"worker\"");
	field(d, REQ "arg3", "");
	json_object_put(d);

	begin("exit_group", 0);
	ev.c.args[0] = 3;
	ev.c.h.flags = HT_EV_F_IN_CALL;
	json_object *e = decoded(&r_);
	field(e, REQ "status", "3");
	field(e, "responseElements", "null");
	done(e);
}

static void kernel(void)
{
	union {
		uint32_t w[32];
		char c[128];
	} attr = { .w = { 26, 12 } };

	memcpy(attr.c + 48, "my_prog", 8);
	begin("bpf", 5);
	ev.c.args[0] = 5;
	ev.c.args[1] = 0x1000;
	ev.c.args[2] = sizeof(attr);
	event_field(&ev, HT_FIELD_MEM, 1, 0, 0, &attr, sizeof(attr));
	decode_into(a);
	field(a, REQ "command", "\"BPF_PROG_LOAD\"");
	field(a, REQ "progType", "\"BPF_PROG_TYPE_TRACING\"");
	field(a, REQ "name", "\"my_prog\"");
	field(a, RES "result", "5");
	json_object_put(a);

	begin("mount", 0);
	ev.c.args[3] = 0x1000 | 0x4000;
	event_str(&ev, 0, "//h/s");
	event_str(&ev, 1, "/mnt");
	event_str(&ev, 2, "cifs");
	event_str(&ev, 4, "user=a,password=b");
	json_object *b = decoded(&r_);
	field(b, REQ "flags", "[\"MS_BIND\",\"MS_REC\"]");
	field(b, REQ "data", "\"user=a,password=" REDACT_HIDDEN "\"");
	field(b, REQ "source", "\"//h/s\"");
	json_object_put(b);

	begin("fsconfig", 0);
	ev.c.args[1] = 1;
	event_str(&ev, 2, "password");
	event_str(&ev, 3, "abc");
	json_object *c = decoded(&r_);
	field(c, REQ "key", "\"password\"");
	field(c, REQ "value", "\"" REDACT_HIDDEN "\"");
	field(c, REQ "command", "\"FSCONFIG_SET_STRING\"");
	done(c);
}

/* ---- one event for many equal calls ---- */

static int64_t nanos_of(json_object *o, const char *path)
{
	return strtoll(at(o, path) + 1, NULL, 10);	/* behind the quote */
}

static void merged(void)
{
	struct ht_repeat r = { .count = 4711 };

	begin("close", 0);
	r.first = ev.c.h.time - 250000000;
	event_field(&ev, HT_FIELD_REPEAT, HT_ARG_TASK, 0, 0, &r, sizeof(r));
	decode_into(o);
	field(o, ADD "repeatCount", "4711");
	ok_int(decoder_calls(decoder), 4711);
	int64_t last = nanos_of(o, ADD "eventTimeNanos");
	int64_t first = nanos_of(o, ADD "firstEventTimeNanos");
	ok_int(last - first, 250000000);
	done(o);
}

static void merged_wrongly(void)
{
	struct ht_repeat r = { .count = 4711 };

	begin("close", 0);	/* a first time behind the last one's is believed in nothing */
	r.first = ev.c.h.time + 1;
	event_field(&ev, HT_FIELD_REPEAT, HT_ARG_TASK, 0, 0, &r, sizeof(r));
	decode_into(o);
	field(o, ADD "repeatCount", "");
	ok_int(decoder_calls(decoder), 1);
	done(o);

	begin("close", 0);
	event_field(&ev, HT_FIELD_REPEAT, HT_ARG_TASK, 0, 0, &r, sizeof(r) - 1);
	ok_int(event_check(&ev, ev.n), -EBADMSG);
}

static void kernel_objects(void)
{
	struct ht_kobj k[HT_KOBJ_PLACES + 1] = { { 0, HT_KOBJ_MAP, 4711 } };

	for (unsigned n = 0; n <= HT_KOBJ_PLACES + 1; n++) {
		begin("bpf", 0);
		event_field(&ev, HT_FIELD_KOBJ, 1, 0, 0, k, n * sizeof(*k));
		ok_int(event_check(&ev, ev.n), n && n <= HT_KOBJ_PLACES ? 0 : -EBADMSG);
	}
	begin("bpf", 0);
	event_field(&ev, HT_FIELD_KOBJ, 1, 0, 0, k, sizeof(*k) + 1);
	ok_int(event_check(&ev, ev.n), -EBADMSG);
}

/* ---- operations of io_uring ---- */

static void ring_field(uint32_t opcode, uint32_t flags, uint32_t slot)
{
	struct ht_uring u = { .user_data = 0x2a, .flags = flags, .slot = slot, .opcode = opcode };

	ev.c.h.flags |= HT_EV_F_URING;
	ev.c.nr = opcode;
	event_field(&ev, HT_FIELD_URING, HT_ARG_TASK, 0, 0, &u, sizeof(u));
}

static void operations_of_a_ring(void)
{
	begin("mkdirat", -EEXIST);
	ev.c.args[0] = (uint64_t)AT_FDCWD;
	event_str(&ev, 1, "sub");
	event_walk(&ev, HT_WALK_BASE, 1, "tmp/d", walk_of(7, 0));
	ring_field(37, HT_URING_F_SQPOLL | 1 << 2, 0);
	decode_into(o);
	field(o, "eventName", "\"mkdirat\"");
	field(o, REQ "path", "\"/tmp/d/sub\"");
	field(o, "errorCode", "\"EEXIST\"");
	field(o, ADD "via", "\"io_uring\"");
	field(o, ADD "ioUring", "{\"opcode\":\"MKDIRAT\",\"flags\":[\"IO_LINK\",\"SQPOLL\"],\"userData\":\"0x2a\"}");
	field(o, ADD "sources", "");
	field(o, ADD "unverified", "");
	done(o);

	begin("mkdirat", -EEXIST);	/* refused before the kernel had copied anything */
	ev.c.args[0] = (uint64_t)AT_FDCWD;
	event_str(&ev, 1, "/sub");
	ring_field(37, HT_URING_F_PREP, 0);
	json_object *p = decoded(&r_);
	field(p, ADD "sources/path", "\"user\"");
	field(p, ADD "unverified", "[\"path\",\"call\"]");
	done(p);
}

static void results_of_operations(void)
{
	begin("openat", 0);
	event_str(&ev, 1, "/f");
	ring_field(18, HT_URING_F_DIRECT, 4);
	decode_into(o);
	field(o, "responseElements", "null");
	field(o, ADD "ioUring/fixedFile", "3");
	done(o);

	begin("openat", 6);
	event_str(&ev, 1, "/f");
	ring_field(18, HT_URING_F_DIRECT, UINT32_MAX);
	json_object *a = decoded(&r_);
	field(a, ADD "ioUring/fixedFile", "6");
	done(a);

	begin("openat", 0);
	event_str(&ev, 1, "/f");
	ring_field(18, 1 << 6, 0);
	ev.c.h.flags |= HT_EV_F_NO_RESULT;
	json_object *b = decoded(&r_);
	field(b, "responseElements", "null");
	field(b, "errorCode", "");
	field(b, ADD "noResult", "\"recorded when submitted: it asked for no completion event\"");
	done(b);

	begin("openat", -ENOENT);
	event_str(&ev, 1, "/f");
	ring_field(18, HT_URING_F_AMBIGUOUS, 0);
	json_object *c = decoded(&r_);
	field(c, ADD "unverified", "[\"result\"]");
	done(c);

	begin("unknown_io_uring_op", -EINVAL);
	ring_field(250, HT_URING_F_PREP, 0);
	json_object *d = decoded(&r_);
	field(d, REQ "opcode", "250");
	field(d, ADD "ioUring/opcode", "\"250\"");
	done(d);
}

static void unknown_number(void)
{
	begin("unknown_syscall", -ENOSYS);
	ev.c.nr = 400;
	ev.c.args[1] = 0xff;
	decode_into(o);
	field(o, "eventName", "\"unknown_syscall\"");
	field(o, REQ "number", "400");
	field(o, REQ "arg2", "\"0xff\"");
	field(o, "errorCode", "\"ENOSYS\"");
	done(o);
}

/* ---- other ABIs and unusual ends ---- */

static void compat(void)
{
	uint32_t args[6] = { 2, 1, 0 };

	event_begin(&ev, calls_index(HT_ABI_COMPAT)[182], 0);
	ev.c.h.abi = HT_ABI_COMPAT;
	ev.c.args[1] = 0xffff;
	ev.c.args[2] = 0x10005;
	event_str(&ev, 0, "/f");
	decode_into(a);
	field(a, "eventName", "\"chown\"");
	field(a, REQ "owner", "-1");
	field(a, REQ "group", "5");
	field(a, ADD "abi", "\"i386\"");
	json_object_put(a);

	event_begin(&ev, calls_behind(0, 1), 3);	/* as the probes hand over what they found behind it */
	ev.c.h.abi = HT_ABI_COMPAT;
	ev.c.nr = 102;
	for (unsigned i = 0; i < 3; i++)
		ev.c.args[i] = args[i];
	json_object *b = decoded(&r_);
	field(b, "eventName", "\"socket\"");
	field(b, REQ "family", "\"AF_INET\"");
	field(b, RES "fd", "3");
	field(b, ADD "via", "\"socketcall\"");
	json_object_put(b);

	event_begin(&ev, calls_index(HT_ABI_COMPAT)[102], -EFAULT);
	ev.c.h.abi = HT_ABI_COMPAT;
	ev.c.nr = 102;
	ev.c.args[0] = 1;
	ev.c.args[1] = 4;
	event_field(&ev, HT_FIELD_MEM, 1, 0, HT_FIELD_F_FAULT, NULL, 0);
	json_object *c = decoded(&r_);
	field(c, "eventName", "\"socketcall\"");
	field(c, REQ "call", "\"socket\"");
	field(c, ADD "unreadable", "[\"arguments\"]");
	field(c, ADD "via", "");
	json_object_put(c);

	event_begin(&ev, calls_index(HT_ABI_COMPAT)[194], 0);
	ev.c.h.abi = HT_ABI_COMPAT;
	ev.c.args[1] = 5;
	ev.c.args[2] = 1;
	json_object *d = decoded(&r_);
	field(d, REQ "length", "4294967301");
	done(d);
}

static void died_and_interrupted(void)
{
	begin("openat", 0);
	ev.c.h.flags = HT_EV_F_IN_CALL;
	event_str(&ev, 1, "/fifo");
	decode_into(a);
	field(a, "responseElements", "null");
	field(a, ADD "noResult", "\"the task ended inside the call\"");
	field(a, REQ "path", "\"/fifo\"");
	field(a, "errorCode", "");
	json_object_put(a);

	begin("connect", -EINTR);
	ev.c.h.flags = HT_EV_F_INTERRUPTED;
	ev.c.restarts = 2;
	json_object *b = decoded(&r_);
	field(b, "errorCode", "\"EINTR\"");
	field(b, ADD "restarts", "2");
	done(b);
}

/* ---- lies ---- */

static int checked(void)
{
	return event_check(&ev, ev.n);
}

static void lying_lengths(void)
{
	struct ht_walk w = walk_of(1, 0);

	begin("openat", 3);
	event_str(&ev, 1, "/etc/shadow");
	ok_int(checked(), 0);
	ev.c.h.len++;
	ok_int(checked(), -EBADMSG);
	ev.c.h.len--;
	for (uint32_t n = 0; n < ev.n; n++)
		ok_int(event_check(&ev, n), -EBADMSG);
	ev.c.call = (uint16_t)calls_count();
	ok_int(checked(), -EBADMSG);
	ev.c.call = 0;
	ok_int(checked(), -EBADMSG);
	begin("openat", 3);
	ev.c.h.abi = HT_ABI__MAX;
	ok_int(checked(), -EBADMSG);

	begin("openat", 3);
	event_walk(&ev, HT_WALK_RET, HT_ARG_RET, "a/b", w);
	ok_int(checked(), 0);
	((struct ht_walk *)(ev.bytes + sizeof(struct ht_call) + sizeof(struct ht_field)))->ncomp = 3;
	ok_int(checked(), -EBADMSG);
	begin("openat", 3);
	event_field(&ev, HT_FIELD_WALK, 0, HT_WALK_OBJECT + 1, 0, &w, sizeof(w));
	ok_int(checked(), -EBADMSG);
	begin("openat", 3);
	event_field(&ev, HT_FIELD_WALK, 0, 255, HT_FIELD_F_FAULT, NULL, 0);
	ok_int(checked(), -EBADMSG);
	begin("openat", 3);
	event_field(&ev, HT_FIELD__MAX, 0, 0, 0, &w, 8);
	ok_int(checked(), -EBADMSG);
	begin("openat", 3);
	event_field(&ev, HT_FIELD_STR, 6, 0, 0, "x", 1);
	ok_int(checked(), -EBADMSG);
	begin("openat", 3);
	event_field(&ev, HT_FIELD_SOCK, 0, 0, 0, "x", 1);
	ok_int(checked(), -EBADMSG);
	begin("openat", 3);
	event_field(&ev, HT_FIELD_STR, 0, 0, HT_FIELD_F_FAULT, "x", 1);
	ok_int(checked(), -EBADMSG);
	begin("openat", 3);
	event_field(&ev, HT_FIELD_STR, 0, 0, 0, "x", 1);
	((struct ht_field *)(ev.bytes + sizeof(struct ht_call)))->len = UINT32_MAX;
	ok_int(checked(), -EBADMSG);
}

/* Nothing is appended when the event lies. */
static void lies_append_nothing(void)
{
	int r;

	begin("openat", 3);
	event_field(&ev, HT_FIELD_SOCK, 0, 0, 0, "x", 1);
	ok(!decoded(&r));
	ok_int(r, -EBADMSG);
	ok_int(batch_count(batch), 0);
}

static void every_row_decodes_bare(void)
{
	for (unsigned call = 1; call < calls_count(); call++)
		for (unsigned failed = 0; failed < 2; failed++) {
			int r = 0;
			json_object *o;

			event_begin(&ev, call, failed ? -EPERM : 0);
			o = decoded(&r);
			if (r < 0 || !o)
				printf("# %s: %d\n", calls_name(call), r), tap_failed = 1;
			json_object_put(o);
		}
}

static void walks_in_small_rooms(void)
{
	char out[64];
	int n;

	begin("openat", 3);
	event_walk(&ev, HT_WALK_RET, HT_ARG_RET, "usr/share/doc/file", walk_of(1, 0));
	for (size_t max = 0; max < sizeof(out); max++) {
		const uint8_t *p = ev.bytes + sizeof(struct ht_call) + sizeof(struct ht_field);

		n = walk_path(p, ((const struct ht_field *)p)[-1].len, out, max);
		ok(n >= 0 && (size_t)n <= max);
		if (max >= 32)
			ok(n == 19 && !memcmp(out, "/usr/share/doc/file", 19));
		else if (n > 8 && n < 19)
			ok(!memcmp(out, ".../", 4) && !memcmp(out + n - 4, "file", 4));
	}
	n = cgroup_path((const uint8_t *)"b\0a\0", 4, out, sizeof(out));
	ok(n == 4 && !memcmp(out, "/a/b", 4));
	ok_int(cgroup_path((const uint8_t *)"", 0, out, sizeof(out)), 1);
}

static const struct tap_case cases[] = {
	CASE(opened_by_descriptor), CASE(hooked_open_is_the_object), CASE(hooked_refused_open), CASE(hooked_names), CASE(hooked_new_name),
	CASE(opened_relative_and_created), CASE(contradiction_only_where_it_can_be_told),
	CASE(what_kind_of_object), CASE(entered_directory), CASE(arguments_by_command), CASE(truncated_walk_looks_it), CASE(walk_that_never_held_is_unverified),
	CASE(failed_open_joins), CASE(lost_descriptor), CASE(openat2_with_how),
	CASE(changed_between_reads), CASE(two_paths), CASE(chroot_paths), CASE(empty_path_is_the_descriptor), CASE(descriptors_that_others_have), CASE(unreadable_and_bytes),
	CASE(permissions), CASE(times_and_nodes), CASE(executed), CASE(exec_refused), CASE(long_argv), CASE(argv_with_a_gap), CASE(connects), CASE(unix_and_others),
	CASE(bound_and_accepted), CASE(credentials), CASE(processes), CASE(kernel), CASE(merged), CASE(merged_wrongly), CASE(kernel_objects), CASE(operations_of_a_ring), CASE(results_of_operations),
	CASE(unknown_number), CASE(compat),
	CASE(died_and_interrupted), CASE(lying_lengths), CASE(lies_append_nothing), CASE(every_row_decodes_bare), CASE(walks_in_small_rooms),
};
TAP_MAIN(cases)
