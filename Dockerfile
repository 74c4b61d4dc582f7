# The image of one instance: docs/deploy.md. `make docker` builds it as hubbub:latest.

FROM rust:1.95-bookworm AS build
WORKDIR /src
# The dependencies, in a layer of their own: built again only when the lock file changes. The crate itself is empty here.
COPY Cargo.toml Cargo.lock ./
RUN mkdir -p src tests/it \
    && echo 'fn main() {}' | tee src/main.rs > tests/it/main.rs \
    && touch src/lib.rs \
    && cargo build --release --locked
COPY src src
COPY static static
# `hubbub cluster` writes these for the nginx and the Redis that it starts.
COPY nginx nginx
COPY config/redis config/redis
# Newer than what was built of the empty crate, or cargo would take that.
RUN touch src/main.rs src/lib.rs \
    && cargo build --release --locked \
    && strip -o /hubbub target/release/hubbub

FROM debian:bookworm-slim
# Whom a rediss:// address is trusted by.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /hubbub /usr/local/bin/hubbub
# By number, so that Kubernetes sees that it is not root.
RUN groupadd --system --gid 10001 hubbub \
    && useradd --system --uid 10001 --gid hubbub --home-dir /var/lib/hubbub --shell /usr/sbin/nologin hubbub \
    && install -d -o hubbub -g hubbub /var/lib/hubbub /var/lib/hubbub/data
USER 10001:10001
WORKDIR /var/lib/hubbub
ENV HOST=0.0.0.0
EXPOSE 3001
# What one instance keeps that stands alone. With Redis nothing is written here.
VOLUME /var/lib/hubbub/data
# SIGTERM starts the drain.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 CMD ["hubbub", "health"]
ENTRYPOINT ["hubbub"]
CMD ["serve"]
