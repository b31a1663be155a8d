SELECT userIdentity.principalId, eventName, eventSource, eventTime FROM $EDS_ID WHERE userIdentity.principalId LIKE '%user3' AND readOnly = false ORDER BY eventTime
