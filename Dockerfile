# The portal in one image:
#
#   docker build --tag keyway .
#   docker run --publish 8080:8080 --volume keyway:/var/lib/keyway --env KEYWAY_PUBLIC_URL=https://developers.example.com keyway
#
# Behind a proxy that speaks TLS. The first administrator: docker run … keyway user create --admin --email you@example.com

FROM rust:1.95.0-slim-bookworm AS build
# The image's own toolchain is the pinned one; rustup must not fetch the pinned file's extra components.
ENV RUSTUP_TOOLCHAIN=1.95.0
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --profile dist --package keyway-cli && cp target/dist/keyway /keyway

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/keyway --create-home --shell /usr/sbin/nologin keyway
COPY --from=build /keyway /usr/local/bin/keyway
COPY LICENSE-MIT LICENSE-APACHE /usr/share/doc/keyway/
USER keyway
WORKDIR /var/lib/keyway
VOLUME /var/lib/keyway
ENV KEYWAY_DATA_DIR=/var/lib/keyway \
    KEYWAY_PORTAL_ADDR=0.0.0.0:8080 \
    KEYWAY_API_ADDR=0.0.0.0:8081
EXPOSE 8080 8081
# bash opens the connection itself, so that the image needs no HTTP client.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["bash", "-c", \
    "exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /healthz HTTP/1.0\\r\\n\\r\\n' >&3 && head -n 1 <&3 | grep -q ' 200 '"]
ENTRYPOINT ["keyway"]
CMD ["portal", "--migrate"]
