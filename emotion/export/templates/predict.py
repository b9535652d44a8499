"""Predict the emotions of audio files: python predict.py FILE… prints one JSON line per file."""

import sys
from pathlib import Path

from emotion.runtime.export_folder import predict_files

sys.exit(predict_files(Path(__file__).resolve().parent, sys.argv[1:]))
