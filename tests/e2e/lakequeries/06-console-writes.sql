SELECT userIdentity.arn, eventName, eventTime, awsRegion FROM $EDS_ID WHERE sessionCredentialFromConsole = true AND readOnly = false
