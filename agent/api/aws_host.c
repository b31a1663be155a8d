/* SPDX-License-Identifier: Apache-2.0 */
/* aws_host.c - what a host's name says: AWS's or not, service, region, S3's bucket. */
#include "agent/api/aws_internal.h"

/* "us-east-1", "us-gov-west-1" */
static bool is_region(struct str s)
{
	unsigned dashes = 0;

	if (s.n < 9 || s.n > 24 || s.p[s.n - 1] < '0' || s.p[s.n - 1] > '9')
		return false;
	for (size_t i = 0; i < s.n; i++) {
		dashes += s.p[i] == '-';
		if (s.p[i] != '-' && (s.p[i] < 'a' || s.p[i] > 'z') && i != s.n - 1)
			return false;
	}
	return dashes >= 2 && dashes <= 3 && s.p[2] == '-' && s.p[s.n - 2] == '-';
}

/* Without port and AWS's domain. False: it has another. */
static bool own_part(struct str *host)
{
	static const char *const domains[] = { ".amazonaws.com", ".amazonaws.com.cn", ".api.aws" };

	for (unsigned i = 0; i < sizeof(domains) / sizeof(domains[0]); i++) {
		size_t n = strlen(domains[i]);

		if (host->n > n && !strncasecmp(host->p + host->n - n, domains[i], n)) {
			host->n -= n;
			return true;
		}
	}
	return false;
}

static struct str last_label(struct str s)
{
	size_t i = s.n;

	while (i && s.p[i - 1] != '.')
		i--;
	return str_from(s, i);
}

static struct str without_last(struct str s)
{
	struct str last = last_label(s);

	return str_first(s, s.n > last.n ? s.n - last.n - 1 : 0);
}

/* s3, s3-us-west-2, s3-fips, s3-accelerate, s3-external-1, s3-accesspoint; not s3-website-*, s3-control. */
static bool is_s3_label(struct str s, struct str *region)
{
	if (s.n < 2 || (s.p[0] | 0x20) != 's' || s.p[1] != '3')
		return false;
	if (str_among_nocase(s, "s3 s3-fips s3-accelerate s3-external-1 s3-outposts s3-object-lambda s3-accesspoint s3-accesspoint-fips"))
		return true;
	if (!str_begins(s, "s3-") || !is_region(str_from(s, 3)))
		return false;
	*region = str_from(s, 3);
	return true;
}

static void take_bucket(struct str rest, struct aws_host *ret)
{
	ret->s3 = true;
	if (rest.n)
		ret->bucket = rest;
}

/* An endpoint in a customer's network: "vpce-1a.ec2.eu-west-1.vpce"; S3's have "bucket." or the like before it. */
static struct str without_network(struct str h, bool network)
{
	struct str rest = h, label = str_cut(&rest, '.');

	if (!network)
		return h;
	while (label.p && !str_begins(label, "vpce-"))
		label = str_cut(&rest, '.');
	return label.p && rest.n ? rest : h;
}

/* "name.bucket" of "name.bucket.vpce-1a.s3" */
static struct str network_bucket(struct str h)
{
	const char *at = memmem(h.p, h.n, ".bucket.vpce-", 13);

	return at ? str_first(h, (size_t)(at - h.p)) : NO_KEY;
}

static void own_host(struct str h, struct aws_host *ret)
{
	struct str label = last_label(h), all = h;
	bool network = str_is(label, "vpce");

	h = network ? without_last(h) : h;
	label = last_label(h);
	if (is_region(label) || str_is(label, "global")) {
		ret->region = is_region(label) ? label : NO_KEY;
		h = without_last(h);
		label = last_label(h);
	}
	if (str_is(label, "dualstack")) {
		h = without_last(h);
		label = last_label(h);
	}
	h = without_network(h, network);
	if (str_begins(label, "s3express-"))
		take_bucket(without_last(h), ret);
	if (is_s3_label(label, &ret->region)) {
		ret->service = aws_service_prefix(label);
		if (!ret->service)
			ret->service = aws_service_prefix(STR("s3"));
		take_bucket(network ? network_bucket(all) : without_last(h), ret);
		return;
	}
	if (str_ends(h, "-fips"))
		h.n -= strlen("-fips");
	ret->service = aws_service_prefix(h);
	/* those that put an account before it */
	if (!ret->service && str_is(label, "s3-control"))
		ret->service = aws_service_prefix(label);
}

/* A host of someone else's that has S3's form: "bucket.s3.example.com". */
static void other_host(struct str h, struct aws_host *ret)
{
	struct str rest = h, label;
	size_t at = 0;

	while ((label = str_cut(&rest, '.')).p) {
		if (rest.n && is_s3_label(label, &ret->region)) {
			take_bucket(str_first(h, at ? at - 1 : 0), ret);
			return;
		}
		at += label.n + 1;
	}
}

void aws_host_get(struct str host, struct aws_host *ret)
{
	const char *port = host.n ? memchr(host.p, ':', host.n) : NULL;
	bool first;

	*ret = (struct aws_host){ 0 };
	if (port)
		host.n = (size_t)(port - host.p);
	first = str_in_domain(host, "amazonaws.com");
	ret->amazon = own_part(&host);
	if (ret->amazon)
		own_host(host, ret);
	else
		other_host(host, ret);
	/* names without a region are those of the first one ("sdb.amazonaws.com"); but buckets of any region have them */
	if (first && ret->service && !ret->s3 && !ret->region.p)
		ret->region = STR("us-east-1");
}
