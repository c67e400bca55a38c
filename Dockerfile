# syntax=docker/dockerfile:1
# sidekey in an image with nothing else: no shell, no libraries, no user but one.
#
#   docker build --build-arg VERSION=v0.7.0 -t sidekey .
#
# For a build that can be repeated, pin the image of the toolchain by its digest:
# docker buildx imagetools inspect golang:1.26-bookworm tells it, and
# --build-arg GO_IMAGE=golang:1.26-bookworm@sha256:... uses it. The final image
# is built from scratch, so that there is no second one to pin.
ARG GO_IMAGE=golang:1.26-bookworm

# Go compiles for other machines by itself: the build runs on the builder's.
FROM --platform=$BUILDPLATFORM ${GO_IMAGE} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download && go mod verify
COPY . .
ARG TARGETOS TARGETARCH
ARG VERSION=(container)
# Static, since there is no libc to link to; the version by hand, since .git is
# not in the context.
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -buildvcs=false \
    -ldflags "-s -w -X 'main.version=$VERSION'" -o /out/sidekey ./cmd/sidekey
# What the program may write to: its store, and files for large bodies that
# cannot be decided on from their beginning (proxy/README.md, "How the bytes move").
RUN mkdir -p -m 0700 /out/var/lib/sidekey && mkdir -m 1777 /out/tmp

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build --chown=65532:65532 /out/var/lib/sidekey /var/lib/sidekey
COPY --from=build /out/tmp /tmp
COPY --from=build /out/sidekey /sidekey

# By number, so that Kubernetes can see that it is not root (runAsNonRoot).
USER 65532:65532
# The default store, ./sidekey-data, is made in here.
WORKDIR /var/lib/sidekey
# Everything else may be read-only: docker run --read-only. The store must
# outlive the container: give it a named volume, or keep the keys on AWS.
VOLUME ["/var/lib/sidekey", "/tmp"]
# The proxy. It listens on loopback unless the configuration says otherwise: in a
# pod or task that is where the chatbot is. The admin address (8788) has no
# password, and is no port for others.
EXPOSE 8787
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 CMD ["/sidekey", "health"]
ENTRYPOINT ["/sidekey"]
CMD ["serve"]

ARG VERSION=(container)
ARG REVISION=
LABEL org.opencontainers.image.title="sidekey" \
      org.opencontainers.image.description="Sends each AI request with the key that should pay for it" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/sidekey/sidekey" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
