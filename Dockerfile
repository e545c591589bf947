# The relay, the libraries that it needs, the certificates that the world trusts, and nothing else.
#
#   docker build -t p2p-relay .
#   docker run -p 8080:8080 -e RELAY_AUTH=none -e RELAY_REDIS_URL=redis://redis.internal p2p-relay
#
# For linux/amd64 and linux/arm64. An image for the other of the two (--platform) is cross-compiled:
# nothing is emulated. Builders without BuildKit build for their own only.

# Those builders know no BUILDPLATFORM. "linux" is whatever they run on.
FROM --platform=${BUILDPLATFORM:-linux} debian:13-slim AS build
ARG TARGETARCH
RUN set -eu; \
    arch=${TARGETARCH:-$(dpkg --print-architecture)}; \
    case $arch in \
        amd64) triple=x86_64-linux-gnu gcc=gcc-x86-64-linux-gnu ;; \
        arm64) triple=aarch64-linux-gnu gcc=gcc-aarch64-linux-gnu ;; \
        *) echo "p2p-relay is built for amd64 and arm64, not for $arch" >&2; exit 1 ;; \
    esac; \
    dpkg --add-architecture $arch; \
    apt-get -qq update; \
    DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends -y \
        binutils ca-certificates cmake ninja-build patch pkgconf xz-utils \
        $gcc libc6-dev:$arch libevent-dev:$arch libssl-dev:$arch >/dev/null; \
    for tool in gcc ar ranlib strip; do ln -s /usr/bin/$triple-$tool /usr/local/bin/target-$tool; done
ENV CC=target-gcc CMAKE_TOOLCHAIN_FILE=/src/cmake/cross.cmake
WORKDIR /src

# First what seldom changes, and takes longest.
COPY scripts/apt.sh scripts/deps scripts/lib.sh scripts/
COPY deps deps
COPY cmake/cross.cmake cmake/
RUN scripts/deps

COPY . .
RUN set -eu; \
    cmake -G Ninja -S . -B build -DCMAKE_BUILD_TYPE=Release; \
    cmake --build build; \
    target-strip build/p2p-relay; \
    scripts/closure build/p2p-relay /image; \
    install -D -m 644 -t /image/etc/ssl/certs /etc/ssl/certs/ca-certificates.crt

FROM scratch
COPY --from=build /image /
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="p2p-relay" \
      org.opencontainers.image.description="WebSocket peers on many nodes find each other through Redis" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
# A file mounted here is for a CA of your own: --redis-ca-file and --auth-ca-file name others.
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    RELAY_LISTEN=0.0.0.0:8080
USER 65532:65532
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s --retries=3 CMD ["/p2p-relay", "--healthcheck"]
ENTRYPOINT ["/p2p-relay"]
