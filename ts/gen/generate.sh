#!/usr/bin/env bash
# Writes the TypeScript beside this file from proto/. Only needed after a change there; what it writes is committed.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cp -r "$here/proto" "$work/proto"
cd "$work"
echo '{"private":true}' > package.json
# 1.10.1 writes for the runtime that @livekit/protocol brings, so that messages of both can hold each other.
npm install --no-audit --no-fund --silent @bufbuild/buf@1.75.0 @bufbuild/protoc-gen-es@1.10.1
cat > buf.yaml <<'YAML'
version: v2
modules:
  - path: proto
YAML
cat > buf.gen.yaml <<'YAML'
version: v2
plugins:
  - local: ["node", "node_modules/@bufbuild/protoc-gen-es/bin/protoc-gen-es"]
    out: out
    opt: ["target=ts", "import_extension=.ts", "rewrite_imports=./livekit_pb.*:@livekit/protocol"]
YAML
node_modules/.bin/buf generate
rm out/livekit_pb.ts
sed -i 's#"@livekit/protocol/livekit_pb.ts"#"@livekit/protocol"#' out/*.ts
cp out/*.ts "$here/"
