/* A stand-in for libedgetpu.so.1, which the run time loads like the real one: it takes no operation,
 * so that the CPU computes them all. EDGETPU_DOUBLE says what happens: "absent" and "crash" are told,
 * anything else is a file that gets a line, the process's number, for each model that is prepared. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct Delegate { /* TfLiteDelegate of TensorFlow Lite's common.h */
  void *data;
  int (*prepare)(void *context, struct Delegate *self);
  void *copy_from_buffer, *copy_to_buffer, *free_buffer;
  int64_t flags;
  void *builder;
} Delegate;

static const char *told(void) {
  const char *said = getenv("EDGETPU_DOUBLE");
  return said ? said : "absent";
}

static int prepare(void *context, Delegate *self) {
  FILE *log = fopen(told(), "a");
  if (!log) return 1;
  fprintf(log, "%d\n", (int)getpid());
  return fclose(log) ? 1 : 0;
}

Delegate *tflite_plugin_create_delegate(char **keys, char **values, size_t count,
                                        void (*report)(const char *)) {
  if (!strcmp(told(), "crash")) abort();
  if (!strcmp(told(), "absent")) {
    report("no device");
    return NULL;
  }
  Delegate *made = calloc(1, sizeof *made);
  made->prepare = prepare;
  return made;
}

void tflite_plugin_destroy_delegate(Delegate *made) { free(made); }
