/* SPDX-License-Identifier: Apache-2.0 */
/* api_conn.c - the server around the requests: listening, connections with deadlines, requests that wait. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/crypto.h>

#include "api_internal.h"
#include "input.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/fsx.h"

#define IDLE_SECONDS 30
#define PEM_MAX (1u << 20)
#define TLS_PRIORITY "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

static struct api_conn *conn_of(struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

static void conn_opened(struct api *a, struct MHD_Connection *c, void **ctx)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct api_conn *conn = calloc(1, sizeof(*conn));

	*ctx = conn;
	if (!conn || !info)
		return;
	conn->fd = info->connect_fd;
	conn->since = clock_boot();
	pthread_mutex_lock(&a->lock);
	conn->next = a->conns;
	conn->link = &a->conns;
	if (a->conns)
		a->conns->link = &conn->next;
	a->conns = conn;
	__atomic_add_fetch(&a->counts[API_OPEN], 1, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&a->lock);
}

static void conn_closed(struct api *a, struct api_conn *conn)
{
	if (!conn)
		return;
	pthread_mutex_lock(&a->lock);
	if (conn->link) {
		*conn->link = conn->next;
		if (conn->next)
			conn->next->link = conn->link;
		__atomic_sub_fetch(&a->counts[API_OPEN], 1, __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&a->lock);
	free(conn);
}

static void on_connection(void *cls, struct MHD_Connection *c, void **ctx, enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		conn_opened(cls, c, ctx);
	else
		conn_closed(cls, *ctx);
}

static void set_deadline(struct request *q, uint64_t since)
{
	struct api_conn *conn = conn_of(q->connection);

	if (!conn)
		return;
	pthread_mutex_lock(&q->api->lock);
	conn->since = since;
	pthread_mutex_unlock(&q->api->lock);
}

/* A request begins with its first line; the text is what the client signed, before libmicrohttpd decodes it. */
static void *on_uri(void *cls, const char *uri, struct MHD_Connection *c)
{
	struct request *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->uri = strdup(uri);
	q->connection = c;
	if (q->uri)
		q->api = cls;
	return q;
}

void request_method(struct request *q, const char *method)
{
	snprintf(q->method, sizeof(q->method), "%s", method);
}

void request_received(struct request *q)
{
	set_deadline(q, 0);
}

static void unpark(struct request *q)
{
	*q->link = q->next;
	if (q->next)
		q->next->link = q->link;
	q->link = NULL;
	q->api->nwaiting--;
}

uint64_t request_generation(struct request *q)
{
	uint64_t g;

	pthread_mutex_lock(&q->api->lock);
	g = q->api->generation;
	pthread_mutex_unlock(&q->api->lock);
	return g;
}

enum park request_park(struct request *q, bool long_wait)
{
	struct api *a = q->api;
	enum park res = PARKED;

	pthread_mutex_lock(&a->lock);
	if (a->stopping || (long_wait && a->nwaiting >= API_TAILS_MAX)) {
		res = PARK_FULL;
	} else if (a->generation != q->generation) {
		res = PARK_NEWS;
	} else {
		MHD_suspend_connection(q->connection);
		q->next = a->waiting;
		q->link = &a->waiting;
		if (a->waiting)
			a->waiting->link = &q->next;
		a->waiting = q;
		a->nwaiting++;
	}
	pthread_mutex_unlock(&a->lock);
	return res;
}

static void on_completed(void *cls, struct MHD_Connection *c, void **ctx, enum MHD_RequestTerminationCode code)
{
	struct request *q = *ctx;
	struct api *a = cls;

	if (!q)
		return;
	pthread_mutex_lock(&a->lock);
	if (q->link)
		unpark(q);
	pthread_mutex_unlock(&a->lock);
	if (q->api)
		set_deadline(q, clock_boot());
	if (q->state.held)
		q->state.let_go(q->state.held);
	input_free(&q->in);
	buf_free(&q->body);
	free(q->uri);
	free(q);
	*ctx = NULL;
}

/* Requests that are not whole in time lose their connection; libmicrohttpd's own timeout would let a client go on
 * for ever that sends a byte now and then. Locked. */
static void close_slow(struct api *a)
{
	uint64_t now = clock_boot(), limit = API_RECEIVE_SECONDS * NS_PER_SEC;

	for (struct api_conn *c = a->conns; c; c = c->next) {
		if (!c->since || now - c->since < limit)
			continue;
		shutdown(c->fd, SHUT_RDWR);
		c->since = 0;
		__atomic_add_fetch(&a->counts[API_SLOW], 1, __ATOMIC_RELAXED);
	}
}

void api_notify(struct api *a)
{
	struct request *q, *next;

	pthread_mutex_lock(&a->lock);
	a->generation++;
	for (q = a->waiting; q; q = next) {
		struct MHD_Connection *c = q->connection;

		next = q->next;
		unpark(q);
		MHD_resume_connection(c);
	}
	close_slow(a);
	pthread_mutex_unlock(&a->lock);
}

/* "address:port" or "[address]:port". */
static int parse_listen(const char *text, struct sockaddr_storage *ret)
{
	char host[64];
	const char *colon = strrchr(text, ':');
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
	unsigned long port;
	char *end;

	memset(ret, 0, sizeof(*ret));
	if (!colon || colon == text || !colon[1] || (size_t)(colon - text) >= sizeof(host))
		return -EINVAL;
	port = strtoul(colon + 1, &end, 10);
	if (*end || port > 65535)
		return -EINVAL;
	snprintf(host, sizeof(host), "%.*s", (int)(colon - text), text);
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
		return 0;
	}
	if (host[0] != '[' || host[strlen(host) - 1] != ']')
		return -EINVAL;
	host[strlen(host) - 1] = '\0';
	if (inet_pton(AF_INET6, host + 1, &v6->sin6_addr) != 1)
		return -EINVAL;
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons((uint16_t)port);
	return 0;
}

static bool is_loopback(const struct sockaddr_storage *address)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;

	if (address->ss_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
	return ntohl(v4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

static int read_pem(const char *path, struct buf *b, char why[256])
{
	int r = fsx_read(path, PEM_MAX, b);

	if (r < 0)
		snprintf(why, 256, "%.150s: %s", path, strerror(-r));
	else if (buf_addc(b, '\0') < 0)
		r = -ENOMEM;
	return r < 0 ? r : 0;
}

static int start_daemon(struct api *a, const struct sockaddr_storage *address)
{
	struct MHD_OptionItem tls[] = {
		{ MHD_OPTION_HTTPS_MEM_CERT, 0, a->cert.p }, { MHD_OPTION_HTTPS_MEM_KEY, 0, a->key.p },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)TLS_PRIORITY }, { MHD_OPTION_END, 0, NULL },
	};
	unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | (address->ss_family == AF_INET6 ? MHD_USE_IPv6 : 0) |
			 (a->cert.n ? MHD_USE_TLS : 0);
	const union MHD_DaemonInfo *info;

	/* clang-format off */
	a->daemon = MHD_start_daemon(flags, 0, NULL, NULL, api_handler, a,
		MHD_OPTION_SOCK_ADDR, address,
		MHD_OPTION_THREAD_POOL_SIZE, API_THREADS,
		MHD_OPTION_CONNECTION_LIMIT, API_CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)API_HEADERS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS,
		MHD_OPTION_URI_LOG_CALLBACK, on_uri, a,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, a,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, a,
		MHD_OPTION_LISTENING_ADDRESS_REUSE, 1,
		MHD_OPTION_ARRAY, a->cert.n ? tls : &tls[ARRAY_SIZE(tls) - 1],
		MHD_OPTION_END);
	/* clang-format on */
	if (!a->daemon)
		return errno ? -errno : -EIO;
	info = MHD_get_daemon_info(a->daemon, MHD_DAEMON_INFO_BIND_PORT);
	a->port = info ? info->port : 0;
	return 0;
}

static void api_free(struct api **a)
{
	if (!*a)
		return;
	pthread_mutex_destroy(&(*a)->lock);
	buf_free(&(*a)->cert);
	if ((*a)->key.p)
		OPENSSL_cleanse((*a)->key.p, (*a)->key.n);
	buf_free(&(*a)->key);
	free(*a);
	*a = NULL;
}

int api_start(struct store *st, const struct api_config *config, struct api **ret_a, char why[256])
{
	_cleanup_(api_free) struct api *a = calloc(1, sizeof(*a));
	struct sockaddr_storage address;
	int r = 0;

	if (!a)
		return -ENOMEM;
	pthread_mutex_init(&a->lock, NULL);
	a->st = st;
	if (parse_listen(config->listen, &address) < 0) {
		snprintf(why, 256, "\"%.64s\" is not address:port", config->listen);
		return -EINVAL;
	}
	a->metrics_keyed = !is_loopback(&address) && !config->metrics_open;
	if (config->tls || !is_loopback(&address))
		r = read_pem(config->cert, &a->cert, why) ?: read_pem(config->key, &a->key, why);
	if (r < 0)
		return r;
	r = start_daemon(a, &address);
	if (r < 0) {
		snprintf(why, 256, "cannot listen on %.64s%s: %s", config->listen, a->cert.n ? " with TLS" : "", strerror(-r));
		return r;
	}
	*ret_a = TAKE_PTR(a);
	return 0;
}

void api_stop(struct api **pa)
{
	struct api *a = *pa;

	if (!a)
		return;
	pthread_mutex_lock(&a->lock);
	a->stopping = true;
	pthread_mutex_unlock(&a->lock);
	api_notify(a);
	MHD_stop_daemon(a->daemon);
	api_free(pa);
}

uint16_t api_port(const struct api *a)
{
	return a->port;
}

bool api_speaks_tls(const struct api *a)
{
	return a->cert.n > 0;
}

uint64_t api_count(const struct api *a, enum api_count which)
{
	if (which == API_WAITING)
		return a->nwaiting;
	return __atomic_load_n(&a->counts[which], __ATOMIC_RELAXED);
}
