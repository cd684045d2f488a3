/** Attributes of participants that are phones (livekit-facts 7.3). */
export const ATTRIBUTES = {
  callId: 'sip.callID',
  trunkId: 'sip.trunkID',
  ruleId: 'sip.ruleID',
  trunkNumber: 'sip.trunkPhoneNumber',
  phoneNumber: 'sip.phoneNumber',
  hostName: 'sip.hostname',
} as const;
