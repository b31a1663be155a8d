/* SPDX-License-Identifier: Apache-2.0 */
/* aws_resource.c - resources: ARNs that a call names, with the types that CloudTrail has for them; S3's out of bucket and key. */
#include <stdio.h>

#include "agent/api/aws_internal.h"

#define ARN_MAX 1024

/* service, what its resource begins with, type */
static const struct {
	const char *service, *begin, *type;
} types[] = {
	{ "s3", "", "AWS::S3::Bucket" }, { "iam", "role/", "AWS::IAM::Role" }, { "iam", "user/", "AWS::IAM::User" },
	{ "iam", "group/", "AWS::IAM::Group" }, { "iam", "policy/", "AWS::IAM::Policy" }, { "iam", "mfa/", "AWS::IAM::VirtualMFADevice" },
	{ "iam", "instance-profile/", "AWS::IAM::InstanceProfile" }, { "iam", "oidc-provider/", "AWS::IAM::OIDCProvider" },
	{ "iam", "saml-provider/", "AWS::IAM::SAMLProvider" }, { "iam", "server-certificate/", "AWS::IAM::ServerCertificate" },
	{ "sts", "assumed-role/", "AWS::STS::AssumedRole" }, { "lambda", "function:", "AWS::Lambda::Function" },
	{ "lambda", "layer:", "AWS::Lambda::LayerVersion" }, { "lambda", "event-source-mapping:", "AWS::Lambda::EventSourceMapping" },
	{ "sqs", "", "AWS::SQS::Queue" }, { "sns", "", "AWS::SNS::Topic" }, { "kms", "key/", "AWS::KMS::Key" }, { "kms", "alias/", "AWS::KMS::Alias" },
	{ "dynamodb", "table/", "AWS::DynamoDB::Table" }, { "dynamodb", "global-table/", "AWS::DynamoDB::GlobalTable" },
	{ "ec2", "instance/", "AWS::EC2::Instance" }, { "ec2", "volume/", "AWS::EC2::Volume" }, { "ec2", "snapshot/", "AWS::EC2::Snapshot" },
	{ "ec2", "vpc/", "AWS::EC2::VPC" }, { "ec2", "subnet/", "AWS::EC2::Subnet" }, { "ec2", "security-group/", "AWS::EC2::SecurityGroup" },
	{ "ec2", "image/", "AWS::EC2::Image" }, { "ec2", "network-interface/", "AWS::EC2::NetworkInterface" },
	{ "ecs", "cluster/", "AWS::ECS::Cluster" }, { "ecs", "service/", "AWS::ECS::Service" }, { "ecs", "task-definition/", "AWS::ECS::TaskDefinition" },
	{ "ecs", "task/", "AWS::ECS::Task" }, { "ecr", "repository/", "AWS::ECR::Repository" }, { "eks", "cluster/", "AWS::EKS::Cluster" },
	{ "secretsmanager", "secret:", "AWS::SecretsManager::Secret" }, { "ssm", "parameter/", "AWS::SSM::Parameter" },
	{ "ssm", "document/", "AWS::SSM::Document" }, { "states", "stateMachine:", "AWS::StepFunctions::StateMachine" },
	{ "states", "activity:", "AWS::StepFunctions::Activity" }, { "logs", "log-group:", "AWS::Logs::LogGroup" },
	{ "cloudtrail", "trail/", "AWS::CloudTrail::Trail" }, { "cloudtrail", "eventdatastore/", "AWS::CloudTrail::EventDataStore" },
	{ "cloudwatch", "alarm:", "AWS::CloudWatch::Alarm" }, { "rds", "db:", "AWS::RDS::DBInstance" }, { "rds", "cluster:", "AWS::RDS::DBCluster" },
	{ "rds", "snapshot:", "AWS::RDS::DBSnapshot" }, { "rds", "subgrp:", "AWS::RDS::DBSubnetGroup" },
	{ "kinesis", "stream/", "AWS::Kinesis::Stream" }, { "firehose", "deliverystream/", "AWS::KinesisFirehose::DeliveryStream" },
	{ "elasticloadbalancing", "loadbalancer/", "AWS::ElasticLoadBalancingV2::LoadBalancer" },
	{ "elasticloadbalancing", "targetgroup/", "AWS::ElasticLoadBalancingV2::TargetGroup" },
	{ "elasticloadbalancing", "listener/", "AWS::ElasticLoadBalancingV2::Listener" },
	{ "cloudformation", "stack/", "AWS::CloudFormation::Stack" }, { "acm", "certificate/", "AWS::CertificateManager::Certificate" },
	{ "events", "rule/", "AWS::Events::Rule" }, { "events", "event-bus/", "AWS::Events::EventBus" },
	{ "codebuild", "project/", "AWS::CodeBuild::Project" }, { "codecommit", "", "AWS::CodeCommit::Repository" },
	{ "cognito-idp", "userpool/", "AWS::Cognito::UserPool" }, { "cloudfront", "distribution/", "AWS::CloudFront::Distribution" },
	{ "redshift", "cluster:", "AWS::Redshift::Cluster" }, { "es", "domain/", "AWS::Elasticsearch::Domain" },
	{ "guardduty", "detector/", "AWS::GuardDuty::Detector" }, { "wafv2", "", "AWS::WAFv2::WebACL" }, { "backup", "backup-vault:", "AWS::Backup::BackupVault" },
	{ "athena", "workgroup/", "AWS::Athena::WorkGroup" }, { "glue", "table/", "AWS::Glue::Table" }, { "glue", "database/", "AWS::Glue::Database" },
	{ "elasticfilesystem", "file-system/", "AWS::EFS::FileSystem" }, { "elasticache", "cluster:", "AWS::ElastiCache::CacheCluster" },
};

static struct str type_of(struct str service, struct str resource)
{
	if (str_is(service, "s3") && resource.n && memchr(resource.p, '/', resource.n))
		return STR("AWS::S3::Object");
	for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (str_is(service, types[i].service) && str_begins(resource, types[i].begin))
			return str_of(types[i].type);
	return NO_KEY;
}

static bool is_plain(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < '!' || s.p[i] > '~' || s.p[i] == '"' || s.p[i] == '\\')
			return false;
	return true;
}

static void put(struct api_call *call, struct str arn, struct str type, struct str account)
{
	for (unsigned i = 0; i < call->nresources; i++)
		if (str_equal(call->resources[i].arn, arn))
			return;
	if (call->nresources < API_RESOURCES_MAX)
		call->resources[call->nresources++] = (struct api_resource){ arn, type, account };
}

/* arn:partition:service:region:account:resource */
void aws_resource_add(struct api_arena *a, struct api_call *call, struct str arn)
{
	struct str rest = arn, part[5];

	if (arn.n > ARN_MAX || !is_plain(arn))
		return;
	for (unsigned i = 0; i < 5; i++)
		part[i] = str_cut(&rest, ':');
	if (!rest.n || !part[2].n || (part[4].n && !(part[4].n == 12 && str_digits(part[4])) && !str_is(part[4], "aws")))
		return;
	if (str_is(rest, "*"))	/* a pattern names nothing */
		return;
	arn = api_arena_str(a, arn);
	if (arn.p)
		put(call, arn, type_of(part[2], rest), str_digits(part[4]) ? (struct str){ arn.p + (part[4].p - part[0].p), 12 } : NO_KEY);
}

/* https://sqs.region.amazonaws.com/account/name */
void aws_resource_queue(struct api_arena *a, struct api_call *call, struct str url)
{
	struct str rest = url, scheme = str_cut(&rest, '/'), host, account, region, arn;
	char room[256];
	int n;

	str_cut(&rest, '/');
	host = str_cut(&rest, '/');
	account = str_cut(&rest, '/');
	if (!str_is(scheme, "https:") || !str_begins(host, "sqs.") || !str_ends(host, ".amazonaws.com") || account.n != 12 || !str_digits(account))
		return;
	region = str_first(str_from(host, 4), host.n > 18 ? host.n - 18 : 0);
	if (!region.n || region.n > 32 || !rest.n || rest.n > 80 || memchr(region.p, '.', region.n) || memchr(rest.p, '/', rest.n))
		return;
	n = snprintf(room, sizeof(room), "arn:aws:sqs:%.*s:%.*s:%.*s", (int)region.n, region.p, (int)account.n, account.p, (int)rest.n, rest.p);
	arn = (struct str){ room, (size_t)n };
	aws_resource_add(a, call, arn);
}

static struct str s3_arn(struct api_arena *a, struct str region, struct str bucket, struct str key)
{
	struct str begin = str_begins(region, "cn-") ? STR("arn:aws-cn:s3:::") : str_begins(region, "us-gov-") ? STR("arn:aws-us-gov:s3:::") : STR("arn:aws:s3:::");
	size_t n = begin.n + bucket.n + (key.n ? 1 + key.n : 0);
	char *p = n <= 2 * ARN_MAX ? api_arena_get(a, n + 1) : NULL, *to = p;

	if (!p)
		return NO_KEY;
	to = mempcpy(to, begin.p, begin.n);
	to = mempcpy(to, bucket.p, bucket.n);
	if (key.n) {
		*to++ = '/';
		memcpy(to, key.p, key.n);
	}
	return (struct str){ p, n };
}

void aws_resource_s3(const struct aws_found *f, struct api_arena *a, struct api_call *call)
{
	struct str bucket = uri_decode(a, f->bucket, false), key = uri_decode(a, f->key, false), region = f->sign.region.p ? f->sign.region : f->host.region, arn;

	if (!bucket.n || str_begins(bucket, "arn:")) {	/* access points: what they are called is an ARN already */
		if (bucket.n)
			aws_resource_add(a, call, bucket);
		return;
	}
	if (key.n && (arn = s3_arn(a, region, bucket, key)).p)
		put(call, arn, STR("AWS::S3::Object"), NO_KEY);
	if ((arn = s3_arn(a, region, bucket, NO_KEY)).p)
		put(call, arn, STR("AWS::S3::Bucket"), NO_KEY);
}
