# The dependencies are built in a layer of their own, which a change of the source leaves as it is.
FROM rust:1.95.0-slim-trixie AS build
WORKDIR /bienvenue
COPY Cargo.toml Cargo.lock ./
COPY bcrypt-lanes/Cargo.toml bcrypt-lanes/
COPY entity/Cargo.toml entity/
COPY known-passwords/Cargo.toml known-passwords/
COPY migration/Cargo.toml migration/
# Empty packages, in the place of those that come below.
RUN mkdir -p src bcrypt-lanes/src entity/src known-passwords/src migration/src tests/it benches/figures \
 && touch src/lib.rs bcrypt-lanes/src/lib.rs entity/src/lib.rs known-passwords/src/lib.rs migration/src/lib.rs \
 && echo 'fn main() {}' | tee src/main.rs tests/it/main.rs benches/figures/main.rs \
 && cargo build --release --locked
COPY bcrypt-lanes bcrypt-lanes
COPY entity entity
COPY known-passwords known-passwords
COPY migration migration
COPY src src
# Newer than what was built of the empty ones.
RUN touch src/lib.rs src/main.rs bcrypt-lanes/src/lib.rs entity/src/lib.rs known-passwords/src/lib.rs migration/src/lib.rs \
 && cargo build --release --locked

FROM debian:13.2-slim
LABEL org.opencontainers.image.title="bienvenue" \
      org.opencontainers.image.description="A user authentication service: accounts, sessions and emails for your applications" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
RUN useradd --system --uid 10001 --home-dir /data --no-create-home bienvenue \
 && install -d -m 0700 -o 10001 /data
COPY --from=build /bienvenue/target/release/bienvenue /usr/local/bin/
# By number, so that a platform that allows no root can see that this is none.
USER 10001
WORKDIR /data
ENV BIENVENUE_LISTEN=0.0.0.0:8000 \
    DATABASE_URL=sqlite:///data/bienvenue.db?mode=rwc
EXPOSE 8000
# The database, where it is SQLite, and the service's own secret.
VOLUME /data
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["bienvenue", "health"]
ENTRYPOINT ["bienvenue"]
CMD ["serve"]
