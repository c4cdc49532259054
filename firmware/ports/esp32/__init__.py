"""ESP32 and ESP32-S3 boards of MicroPython's esp32 port."""
