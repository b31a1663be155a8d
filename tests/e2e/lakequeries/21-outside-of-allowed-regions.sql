SELECT eventTime, eventName, awsRegion FROM $EDS_ID WHERE awsRegion NOT IN ('us-east-1', 'local') AND recipientAccountId = '000000000000'
