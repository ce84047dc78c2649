"""What teachers and readers get beside the notebooks: the course as a book, schedules, slides, tickets, a kit."""
