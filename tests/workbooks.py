"""Reads workbooks."""

import io

import openpyxl


def cells(book: bytes) -> list[list[tuple]]:
    """The values of each sheet, row by row."""
    return [list(sheet.iter_rows(values_only=True)) for sheet in openpyxl.load_workbook(io.BytesIO(book))]
