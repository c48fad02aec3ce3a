/* libpq, loaded when the first PostgreSQL store is opened: it brings twenty libraries along, whose
 * pages a server on the embedded store would carry for nothing. Whoever includes this calls libpq
 * by its own names. */
#ifndef DB_DB_POSTGRES_LIBRARY_H
#define DB_DB_POSTGRES_LIBRARY_H

#include <libpq-fe.h>

#include "base/fault.h"

/* The functions of libpq that the driver uses, each once. */
#define DB_POSTGRES_LIBRARY_FUNCTIONS(each)                                                        \
    each(PQclear) each(PQcmdStatus) each(PQcmdTuples) each(PQconnectdbParams) each(PQconninfoFree) \
        each(PQconninfoParse) each(PQconsumeInput) each(PQenterPipelineMode) each(PQerrorMessage)  \
            each(PQexec) each(PQexitPipelineMode) each(PQfinish) each(PQfreemem) each(PQftype)     \
                each(PQgetResult) each(PQgetisnull) each(PQgetlength) each(PQgetvalue)             \
                    each(PQnotifies) each(PQntuples) each(PQpipelineSync) each(PQresultErrorField) \
                        each(PQresultErrorMessage) each(PQresultStatus) each(PQsendFlushRequest)   \
                            each(PQsendPrepare) each(PQsendQueryPrepared)                          \
                                each(PQsetNoticeProcessor) each(PQsocket) each(PQstatus)

#define DB_POSTGRES_LIBRARY_MEMBER(function) __typeof__(&(function)) function;
struct db_postgres_library {
    DB_POSTGRES_LIBRARY_FUNCTIONS(DB_POSTGRES_LIBRARY_MEMBER)
};
extern struct db_postgres_library db_postgres_library;

/* Loads it unless it is there already. From any thread. FAULT_PERMANENT: it is not installed. */
bool db_postgres_library_load(struct fault *fault);

#ifndef DB_POSTGRES_LIBRARY_ITSELF
#define PQclear              db_postgres_library.PQclear
#define PQcmdStatus          db_postgres_library.PQcmdStatus
#define PQcmdTuples          db_postgres_library.PQcmdTuples
#define PQconnectdbParams    db_postgres_library.PQconnectdbParams
#define PQconninfoFree       db_postgres_library.PQconninfoFree
#define PQconninfoParse      db_postgres_library.PQconninfoParse
#define PQconsumeInput       db_postgres_library.PQconsumeInput
#define PQenterPipelineMode  db_postgres_library.PQenterPipelineMode
#define PQerrorMessage       db_postgres_library.PQerrorMessage
#define PQexec               db_postgres_library.PQexec
#define PQexitPipelineMode   db_postgres_library.PQexitPipelineMode
#define PQfinish             db_postgres_library.PQfinish
#define PQfreemem            db_postgres_library.PQfreemem
#define PQftype              db_postgres_library.PQftype
#define PQgetResult          db_postgres_library.PQgetResult
#define PQgetisnull          db_postgres_library.PQgetisnull
#define PQgetlength          db_postgres_library.PQgetlength
#define PQgetvalue           db_postgres_library.PQgetvalue
#define PQnotifies           db_postgres_library.PQnotifies
#define PQntuples            db_postgres_library.PQntuples
#define PQpipelineSync       db_postgres_library.PQpipelineSync
#define PQresultErrorField   db_postgres_library.PQresultErrorField
#define PQresultErrorMessage db_postgres_library.PQresultErrorMessage
#define PQresultStatus       db_postgres_library.PQresultStatus
#define PQsendFlushRequest   db_postgres_library.PQsendFlushRequest
#define PQsendPrepare        db_postgres_library.PQsendPrepare
#define PQsendQueryPrepared  db_postgres_library.PQsendQueryPrepared
#define PQsetNoticeProcessor db_postgres_library.PQsetNoticeProcessor
#define PQsocket             db_postgres_library.PQsocket
#define PQstatus             db_postgres_library.PQstatus
#endif

#endif
