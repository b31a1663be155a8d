SELECT userIdentity.principalId, eventTime FROM $EDS_ID WHERE responseElements IS NOT NULL AND element_at(responseElements, 'instancesSet') LIKE '%"instanceId":"i-0123456789"%'
