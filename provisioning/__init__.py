"""The technician's bench: images, enrolment, labels."""
