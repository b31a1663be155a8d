# SPDX-License-Identifier: Apache-2.0
"""What tools/aws_tables.py knows that the models do not say: privacy beyond `sensitive`, names, readOnly and category as CloudTrail has them.

Member rules: (service folder or *, name of the structure, name of the member), each a regular expression that must match in full.
"""
import re

# eventSource where it is neither the endpoint prefix nor, for prefixes with a dot in them, the signing name.
SOURCES = {
    "email": "ses", "data.iot": "iotdata", "data.jobs.iot": "iotjobsdata", "metering.marketplace": "metering-marketplace",
    "entitlement.marketplace": "entitlement-marketplace", "catalog.marketplace": "marketplacecatalog", "portal.sso": "sso",
    "oidc": "sso", "session.qldb": "qldb", "streams.dynamodb": "dynamodb", "api.tunneling.iot": "iotsecuredtunneling",
    "api.pricing": "pricing", "runtime.lex": "lex", "models.lex": "lex", "runtime-v2-lex": "lex", "models-v2-lex": "lex",
    "edge.sagemaker": "sagemaker", "featurestore-runtime.sagemaker": "sagemaker", "metrics.sagemaker": "sagemaker",
    "runtime.sagemaker": "sagemaker", "sagemaker-geospatial": "sagemaker-geospatial", "api.ecr": "ecr", "api.ecr-public": "ecr-public",
    "api.elastic-inference": "elastic-inference", "api.fleethub.iot": "iotfleethub", "api.detective": "detective",
    "api.mediatailor": "mediatailor", "api.iotwireless": "iotwireless", "api.iotdeviceadvisor": "iotdeviceadvisor",
    "query.timestream": "timestream", "ingest.timestream": "timestream", "data.mediastore": "mediastore",
    "s3-control": "s3", "identity-chime": "chime", "messaging-chime": "chime", "media-pipelines-chime": "chime", "meetings-chime": "chime", "voice-chime": "chime",
    "participant.connect": "connect", "contact-lens": "connect", "ui.kinesisanalytics": "kinesisanalytics",
}

# Names that are secrets in any service, as tls-capture §6.3 lists them, when the value is text, bytes, or a list or map of them.
SECRET_NAMES = re.compile(
    r"(.*(password|passwd|passphrase|privatekey|clientsecret|secretkey|secretaccesskey|authtoken|accesstoken|refreshtoken|idtoken|"
    r"sessiontoken|securitytoken|bearertoken|oauthtoken|sharedsecret|secretstring|secretbinary|apikeyvalue|authparameters|presignedurl)s?"
    r"|secret|token|assertion|samlassertion|webidentitytoken|authorizationcode|pwd|credential|credentials|userdata)", re.I)
# ... and what such a name means in places where it is none.
NOT_SECRET = re.compile(r"(next|client|clientrequest|continuation|pagination|starting|idempotency|request|creation)_?token", re.I)

# Secrets and content of single services: content is what an API carries, not what it is asked to do.
SECRET_MEMBERS = [
    ("sns", r"Publish.*", r"Message|Subject|MessageAttributes"),
    ("ssm", r"SendCommandRequest|CreateAssociationRequest|UpdateAssociationRequest|StartSessionRequest|StartAutomationExecutionRequest", r"Parameters"),
    ("ssm", r"PutParameterRequest", r"Value"),
    ("ssm-contacts", r".*", r"SimpleAddress|Content|Subject|PublicContent|PublicSubject|AcceptCode"),
    ("transfer", r".*", r"HostKey|HostKeyBody|SshPublicKeyBody"),
    ("sqs", r".*", r"MessageBody|MessageAttributes|MessageSystemAttributes|Body"),
    ("dynamodb|dynamodbstreams|dax", r".*", r"Item|ExpressionAttributeValues|AttributeUpdates|Parameters|Expected|"
                                            r"KeyConditions|QueryFilter|ScanFilter|Attributes|ItemCollectionMetrics|Statement"),
    ("sdb", r".*", r"Value|SelectExpression"),
    ("importexport", r".*", r"Manifest|ManifestAddendum|Signature|SignatureFileContents"),
    ("qldb-session", r".*", r"Statement|Parameters"),
    ("lambda", r".*", r"ClientContext"),
    ("s3", r".*", r"MFA"),
    ("events|pipes", r"PutEvents.*|PutPartnerEvents.*", r"Detail"),
    ("logs", r"InputLogEvent", r"message"),
    ("kinesis|firehose", r".*", r"Data"),
    ("kms", r".*", r"Plaintext|Message|PrivateKeyPlaintext|Mac|GrantTokens?"),
    ("secretsmanager", r".*", r"SecretString|SecretBinary"),
    ("sts", r".*", r"SAMLAssertion|WebIdentityToken|TokenCode|EncodedMessage"),
    ("iam", r".*", r"PrivateKey|Password|OldPassword|NewPassword|AuthenticationCode[12]|SecretAccessKey|Base32StringSeed|QRCodePNG|ServicePassword"),
    ("ecs|batch|apprunner|codebuild|sagemaker|amplify|proton|lightsail|elasticmapreduce|emr|opsworks|pipes|securityhub",
     r"KeyValuePair|.*EnvironmentVariable|.*Environment(Variables)?Details", r"[Vv]alue"),
    ("ecs|batch|lambda|apprunner|sagemaker|amplify|lightsail|mwaa|kinesisanalytics.*|robomaker|synthetics|greengrass(v2)?", r".*",
     r"[Ee]nvironmentVariables|RuntimeEnvironmentVariables|Variables|AirflowConfigurationOptions"),
    ("securityhub", r"AwsLambdaFunctionEnvironment", r"Variables"),
    ("sagemaker", r".*", r"Environment|CallbackToken"),
    ("lightsail", r"Container", r"environment"),
    ("opsworks", r".*", r"SshKey|CustomJson"),
    ("opsworkscm", r"EngineAttribute", r"Value"),
    ("sns", r".*Platform.*", r"Attributes"),
    ("directconnect", r".*", r"authKey|customerRouterConfig"),
    ("athena", r".*", r"QueryString|QueryStatement|ExecutionParameters"),      # as CloudTrail, which omits it
    ("events", r"Target|InputTransformer|HttpParameters", r"Input|InputTemplate|HeaderParameters|QueryStringParameters"),
    ("scheduler", r"Target", r"Input"),
    ("appflow", r".*", r"applicationKey|datakey"),
    ("datasync|storagegateway|backup-gateway", r".*", r"ActivationKey"),
    ("chime.*", r".*", r"PersonalPIN"),
    ("kinesisanalyticsv2|sagemaker|athena|appstream|quicksight", r".*", r"AuthorizedUrl|NotebookUrl|StreamingURL|UserInvitationUrl"),
    ("amplify|codebuild", r"Webhook", r"webhookUrl|payloadUrl"),
    ("iot", r".*", r"tokenSignature"),
    ("ec2|securityhub", r".*", r"CustomerGatewayConfiguration|PreSharedKey"),
    ("ssm|eks|ssm-contacts", r".*", r"[Aa]ctivationCode"),
    ("codepipeline", r"WebhookAuthConfiguration", r"SecretToken"),
    ("firehose", r".*", r"HECToken"),
    ("appflow", r".*", r"authCode|apiToken"),
    ("pinpoint", r".*", r"ApiKey|TokenKey|Otp"),
    ("dataexchange", r".*", r"ApiKey|RequestHeaders"),
    ("cognito-idp", r"DeviceSecretVerifierConfigType", r"PasswordVerifier|Salt"),
    ("cognito-idp|iot|wafv2", r"HttpHeader|HttpActionHeader|CustomHTTPHeader", r"headerValue|value|Value"),
    ("iotwireless", r"(Otaa|SessionKeys).*", r".*Key"),
    ("mediaconvert|medialive", r".*", r"StaticKeyValue"),
    ("imagebuilder", r".*", r"userDataOverride"),
    ("dms", r".*", r"ExtraConnectionAttributes"),
    ("datapipeline", r"Field", r"stringValue"),
    ("serverlessrepo", r"ParameterValue", r"Value"),
    ("connect.*", r".*", r"ParticipantToken|ConnectionToken"),
    ("license-manager", r".*", r"SignedToken|LicenseConsumptionToken"),
    ("swf|stepfunctions", r".*", r"taskToken"),
    ("elasticbeanstalk", r"ConfigurationOptionSetting", r"Value"),
    ("cloudformation", r".*", r"ParameterValue|ResolvedValue|TemplateBody"),
    ("servicecatalog", r"(Provisioning|Update.*)Parameter", r"Value"),
    ("glue", r".*", r"ConnectionProperties|Arguments|DefaultArguments|NonOverridableArguments"),
    ("codepipeline", r"ActionDeclaration|ActionConfiguration", r"configuration"),
    ("emr", r".*", r"Properties"),
    ("stepfunctions", r".*", r"input|output"),
    ("swf", r".*", r"input|result|control|details"),
    ("cognito-idp|cognito-identity", r".*", r"AuthParameters|ChallengeResponses|UserAttributes|ValidationData|Logins|SecretHash|SecretCode|"
                                            r"UserCode|ConfirmationCode|Code|Session|ClientMetadata|AttributesData|UserContextData"),
    ("sso-oidc", r".*", r"code|deviceCode|userCode|clientSecret|.*Token"),
    ("apigateway|apigatewayv2", r"CreateApiKeyRequest|ApiKey", r"value"),
    ("apigateway|apigatewayv2", r".*", r"body|headers"),
    ("comprehend|comprehendmedical|translate|polly|lex.*|kendra.*|textract|rekognition|bedrock.*|frauddetector|qconnect|wisdom", r".*",
     r"Text|TextList|inputText|text|QueryText|queryText|UserInput|eventVariables|Bytes"),
    ("polly", r".*", r"Content"),
    ("ses|sesv2|pinpoint-email", r".*", r"Subject|SubjectPart|Body|Text|Html|TextPart|HtmlPart|RawMessage|Raw|TemplateData|DefaultTemplateData|ReplacementTemplateData"),
    ("pinpoint|pinpoint-sms-voice.*|sms-voice", r".*", r"Body|MessageBody|SSMLMessageContent|PlainTextMessageContent|Substitutions"),
    ("connect.*", r".*", r"Content|InitialMessage"),
    ("rds-data|redshift-data", r".*", r"parameters|parameterSets|Parameters|sql|sqlStatements|Sqls?"),
    ("iot-data", r".*", r"payload"),
    ("dms", r".*", r".*Certificate(Pem|Wallet)"),
    ("acm|iam|iot", r".*", r"PrivateKey|privateKey"),
    ("codecommit", r".*", r"content|fileContent"),
    ("timestream-write", r".*", r"MeasureValue|MeasureValues"),
    ("ec2", r".*", r"UserData|userData|KeyMaterial|PresharedKey|PreSharedKey|UploadPolicySignature"),
]
SECRET_MEMBERS = [tuple(re.compile(p) for p in rule) for rule in SECRET_MEMBERS]

# Answers that are never read: whole services, and operations. `service folder:Operation`
TOKEN_ANSWERS = re.compile(
    r"sts:.*|sso:.*|sso-oidc:.*|cognito-identity:.*|cognito-idp:.*|secretsmanager:(GetSecretValue|BatchGetSecretValue|GetRandomPassword)|"
    r"ssm:(GetParameter.*|StartSession|ResumeSession|GetAccessToken)|kms:(Decrypt|GenerateDataKey.*|GenerateRandom|ReEncrypt|Sign|GenerateMac|DeriveSharedSecret|GetParametersForImport)|"
    r"ecr:GetAuthorizationToken|ecr-public:GetAuthorizationToken|codeartifact:GetAuthorizationToken|"
    r"iam:(CreateVirtualMFADevice|CreateServiceSpecificCredential|ResetServiceSpecificCredential)|"
    r"redshift:GetClusterCredentials.*|redshift-serverless:GetCredentials|gamelift:GetInstanceAccess|gamelift:RequestUploadCredentials|"
    r"lightsail:(GetInstanceAccessDetails|CreateKeyPair|DownloadDefaultKeyPair|CreateBucketAccessKey|GetRelationalDatabaseMasterUserPassword)|"
    r"ec2:(CreateKeyPair|GetPasswordData)|ecs:ExecuteCommand|iot:(CreateKeysAndCertificate|CreateProvisioningClaim)|"
    r"lakeformation:GetTemporary.*|s3:CreateSession|s3control:GetDataAccess|connect:GetFederationToken|connectparticipant:.*|"
    r"chime.*:.*Token.*|grafana:CreateWorkspaceApiKey|appsync:CreateApiKey|apigateway:.*ApiKey.*|emr-containers:GetManagedEndpointSessionCredentials|"
    r"quicksight:Generate.*|quicksight:GetDashboardEmbedUrl|quicksight:GetSessionEmbedUrl|appstream:CreateStreamingURL|mwaa:Create.*Token|"
    r"managedblockchain:CreateAccessor|workdocs:.*UploadedResource.*|iotsecuretunneling:.*")

READ_ONLY = re.compile(
    r"(Get|List|Describe|Head|BatchGet|BatchDescribe|BatchCheck|BatchDetect|BatchRead|Search|Query|Scan|Lookup|Select|Check|Validate|Preview|"
    r"Estimate|Detect|Simulate|Count|Discover|Verify|Is|Filter|View|Classify|Compare|Recognize|Retrieve|Download|Predict|Translate|Synthesize|"
    r"Resolve|Calculate|Evaluate|Analyze|Infer|Test|Receive)([A-Z0-9].*|$)")
READ_ONLY_MORE = re.compile(
    r"sts:.*|kms:(Decrypt|Encrypt|GenerateDataKey.*|GenerateRandom|ReEncrypt|Sign|GenerateMac)|dynamodb:(TransactGetItems|Query|Scan)|"
    r"logs:(FilterLogEvents|StartQuery|StopQuery)|s3:SelectObjectContent|"
    r"athena:BatchGet.*|cloudformation:EstimateTemplateCost|iam:(GenerateCredentialReport|GenerateServiceLastAccessedDetails|SimulateCustomPolicy)")
NOT_READ_ONLY = re.compile(r"sts:GetFederationToken|lex-.*:.*")

DATA_EVENTS = re.compile(
    r"s3:(AbortMultipartUpload|CompleteMultipartUpload|CopyObject|CreateMultipartUpload|DeleteObject|DeleteObjectTagging|DeleteObjects|"
    r"GetObject|GetObjectAcl|GetObjectAttributes|GetObjectLegalHold|GetObjectRetention|GetObjectTagging|GetObjectTorrent|HeadBucket|HeadObject|"
    r"ListMultipartUploads|ListObjectVersions|ListObjects|ListObjectsV2|ListParts|PutObject|PutObjectAcl|PutObjectLegalHold|PutObjectRetention|"
    r"PutObjectTagging|RestoreObject|SelectObjectContent|UploadPart|UploadPartCopy|WriteGetObjectResponse)|"
    r"lambda:(Invoke|InvokeAsync|InvokeWithResponseStream)|"
    r"dynamodb:(BatchExecuteStatement|BatchGetItem|BatchWriteItem|DeleteItem|ExecuteStatement|ExecuteTransaction|GetItem|PutItem|Query|Scan|"
    r"TransactGetItems|TransactWriteItems|UpdateItem)|sdb:(.*Attributes|Select)|dynamodbstreams:(GetRecords|GetShardIterator)|"
    r"sns:(Publish|PublishBatch)|sqs:(SendMessage|SendMessageBatch|ReceiveMessage|DeleteMessage|DeleteMessageBatch|ChangeMessageVisibility|"
    r"ChangeMessageVisibilityBatch)|kinesis:(PutRecord|PutRecords|GetRecords|GetShardIterator|SubscribeToShard)|firehose:PutRecord(Batch)?|"
    r"ebs:.*|cognito-identity:(GetCredentialsForIdentity|GetId|GetOpenIdToken|GetOpenIdTokenForDeveloperIdentity|UnlinkIdentity)|"
    r"sagemaker-runtime:.*|sagemaker-featurestore-runtime:.*|qldb-session:.*|timestream-query:Query|timestream-write:WriteRecords|"
    r"cloudtrail-data:.*|iot-data:.*|rds-data:.*|xray:(PutTraceSegments|GetTraceSummaries|BatchGetTraces|GetTraceGraph|GetServiceGraph)|"
    r"cloudwatch:(GetMetricData|GetMetricStatistics|PutMetricData|ListMetrics|GetMetricWidgetImage)|codewhisperer:.*|kendra-ranking:.*|"
    r"medical-imaging:.*|logs:PutLogEvents|kinesis-video-.*:.*|personalize-events:.*|personalize-runtime:.*|"
    r"mediastore-data:.*|cloudsearchdomain:.*|lex-runtime:.*|lexv2-runtime:.*")


def secret_member(service, structure, name):
    low = name.replace("_", "").replace("-", "")
    if SECRET_NAMES.fullmatch(low) and not NOT_SECRET.fullmatch(low):
        return True
    return any(s.fullmatch(service) and t.fullmatch(structure) and m.fullmatch(name) for s, t, m in SECRET_MEMBERS)


def read_only(service, op):
    key = service + ":" + op
    return bool((READ_ONLY.fullmatch(op) or READ_ONLY_MORE.fullmatch(key)) and not NOT_READ_ONLY.fullmatch(key))
