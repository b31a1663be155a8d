SELECT userIdentity.principalId, eventName, requestParameters, eventTime FROM $EDS_ID WHERE eventName = 'openat' AND userIdentity.accountId != recipientAccountId
