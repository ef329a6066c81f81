# The wheel, built from this checkout and installed for a user that is not root.
# Relative paths of settings lead to /data: mount a volume there, or the rejects, drift
# and sync log files are gone with the container.

FROM python:3.13-slim AS wheel
WORKDIR /build
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY target_upwell target_upwell
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheel .

FROM python:3.13-slim
RUN useradd --uid 10001 --no-create-home upwell \
    && install --directory --owner=upwell --mode=0700 /data
COPY --from=wheel /build/constraints.txt /tmp/
COPY --from=wheel /wheel /wheel
RUN pip install --no-cache-dir --constraint /tmp/constraints.txt /wheel/*.whl \
    && rm -r /wheel /tmp/constraints.txt
USER 10001
WORKDIR /data
VOLUME /data
ENTRYPOINT ["target-upwell"]
CMD ["--config=ENV"]
