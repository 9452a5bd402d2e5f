# One image for every role: `warren serve NAME`.
FROM rust:1.95-bookworm AS build
WORKDIR /warren
COPY . .
RUN cargo build --release --locked

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends bubblewrap gcc g++ libc6-dev python3 ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 60000 --create-home warren \
    && install -d -o warren -g warren /data
COPY --from=build /warren/target/release/warren /usr/local/bin/warren
USER warren
ENTRYPOINT ["warren"]
