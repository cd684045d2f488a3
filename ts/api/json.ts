/** Messages as the JSON that Twirp's Go servers write: proto names, defaults included, null for unset messages. */

import { type FieldInfo, type JsonObject, type JsonValue, Message, type MessageType } from '@bufbuild/protobuf';

/** The whole message, every field of it. */
export function toTwirpJson(message: Message): string {
  const json = message.toJson({ emitDefaultValues: true, useProtoFieldName: true });
  return JSON.stringify(withNulls(message, json));
}

/** Takes snake_case and camelCase, ignores unknown fields. Throws where a value has the wrong type. */
export function fromTwirpJson<T extends Message<T>>(type: MessageType<T>, text: string): T {
  return type.fromJsonString(text, { ignoreUnknownFields: true });
}

/** protobuf-es leaves unset messages out; Go's JSON writer shows them as null. */
function withNulls(message: Message, json: JsonValue): JsonValue {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return json;
  const values = message as unknown as Record<string, unknown>;
  const result: JsonObject = { ...json };
  for (const field of message.getType().fields.list()) {
    if (field.kind !== 'message' || field.oneof !== undefined) continue;
    const value = values[field.localName];
    const written = result[field.name];
    if (field.repeated && Array.isArray(value) && Array.isArray(written)) {
      result[field.name] = written.map((entry, index) => nested(value[index], entry));
    } else if (value instanceof Message && written !== undefined) {
      result[field.name] = nested(value, written);
    } else if (isUnsetMessage(field, value)) {
      result[field.name] = null;
    }
  }
  return result;
}

function nested(value: unknown, json: JsonValue): JsonValue {
  return value instanceof Message ? withNulls(value, json) : json;
}

function isUnsetMessage(field: FieldInfo, value: unknown): boolean {
  return value === undefined && !field.repeated && !field.opt;
}
