# One image for all processes; the command chooses:
#   node apps/api/src/main.ts · node apps/worker/src/main.ts · node packages/shared/src/db/migrate-main.ts
# Node runs the TypeScript sources as they are: there is no build.
FROM node:24-bookworm-slim AS dependencies
WORKDIR /app
# The manifests alone, so that a change of sources keeps this layer.
COPY package.json package-lock.json ./
COPY apps/api/package.json apps/api/
COPY apps/local/package.json apps/local/
COPY apps/worker/package.json apps/worker/
COPY e2e/package.json e2e/
COPY engines/package.json engines/
COPY packages/cli/package.json packages/cli/
COPY packages/client/package.json packages/client/
COPY packages/contract/package.json packages/contract/
COPY packages/engine-kit/package.json packages/engine-kit/
COPY packages/outbound/package.json packages/outbound/
COPY packages/protobuf/package.json packages/protobuf/
COPY packages/shared/package.json packages/shared/
# Optional are the embedded PostgreSQL of `npm start` and a native speed-up that isn't needed.
RUN npm ci --omit=dev --omit=optional --ignore-scripts \
      --workspace=apps/api --workspace=apps/worker --workspace=packages/cli \
    && npm cache clean --force

FROM node:24-bookworm-slim
WORKDIR /app
COPY --from=dependencies /app ./
COPY apps/api apps/api
COPY apps/worker apps/worker
COPY packages packages
COPY engines engines
COPY migrations migrations
# In a container loopback would be reachable by nobody.
ENV HOST=0.0.0.0
USER node
EXPOSE 3000
STOPSIGNAL SIGTERM
CMD ["node", "apps/api/src/main.ts"]
