# One image, every role: the command says which. Wheels only, no compiler, not root.
FROM python:3.13-slim AS wheels
COPY requirements.txt /tmp/requirements.txt
RUN grep -v '^pytest==' /tmp/requirements.txt > /tmp/runtime.txt \
 && python -m venv /opt/regulars \
 && /opt/regulars/bin/pip install --no-cache-dir --only-binary :all: -r /tmp/runtime.txt

FROM python:3.13-slim
ENV PATH=/opt/regulars/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=8000 \
    FLOWS_DIR=/app/flows \
    DATABASE_URL=sqlite:////data/regulars.db
RUN useradd --system --uid 10001 --home-dir /app --shell /usr/sbin/nologin regulars \
 && install -d -o regulars -g regulars /data
COPY --from=wheels /opt/regulars /opt/regulars
WORKDIR /app
COPY bot bot
COPY storage storage
COPY flows flows
COPY wsgi.py alembic.ini ./
USER regulars
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
# Everything in one process on an embedded database, the demo without secrets; compose.yaml has the roles apart.
CMD ["python", "-m", "bot", "serve", "--or-demo"]
