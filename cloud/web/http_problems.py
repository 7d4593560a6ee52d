"""Every refusal as `{"code", "ja", "ja-simple", "en"}`, whoever raised it."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.orm.exc import StaleDataError
from starlette.exceptions import HTTPException

from cloud.problems import Problem

log = logging.getLogger(__name__)
_CODES = {404: "NOT_FOUND", 405: "METHOD", 413: "REQUEST_TOO_LARGE"}


def answer(problem: Problem) -> JSONResponse:
    """A refusal as an answer; tells when to come again where it is too early."""
    headers = {"Retry-After": str(problem.retry_after_s)} if problem.retry_after_s else None
    return JSONResponse(problem.body(), status_code=problem.status, headers=headers)


def add_handlers(app: FastAPI) -> None:
    """Turns problems, invalid requests, unknown paths and our own faults into such answers."""

    @app.exception_handler(Problem)
    async def on_problem(_request: Request, problem: Problem) -> JSONResponse:
        return answer(problem)

    @app.exception_handler(StaleDataError)
    async def on_stale(_request: Request, _error: StaleDataError) -> JSONResponse:
        return answer(Problem("CHANGED_MEANWHILE"))

    @app.exception_handler(RequestValidationError)
    async def on_invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return answer(Problem("INVALID", where=f"{where}: {first['msg']}"))

    @app.exception_handler(HTTPException)
    async def on_http(_request: Request, error: HTTPException) -> JSONResponse:
        if error.status_code in _CODES:
            return answer(Problem(_CODES[error.status_code]))
        return answer(Problem("INVALID", where=str(error.detail)))

    @app.exception_handler(Exception)
    async def on_fault(_request: Request, error: Exception) -> JSONResponse:
        log.error("a request failed: %s", type(error).__name__, exc_info=error)
        return answer(Problem("FAULT"))
